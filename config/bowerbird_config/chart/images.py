"""The images of the platform's own parts."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from bowerbird_config.chart.base import HelmModel, Named, pattern
from bowerbird_config.kubernetes import PullPolicy

_REPOSITORY = re.compile(r"([a-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._/-][a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def _repository(text: str) -> str:
    if not _REPOSITORY.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of an image without its tag; write it like 'bowerbird/hub', and the tag as 'tag:'")
    return text


def _tag(text: str) -> str:
    if text and not (_TAG.fullmatch(text) or _DIGEST.fullmatch(text)):
        raise ValueError(f"{text!r} is not a tag; write it like '0.1.0', or a digest like 'sha256:…'")
    return text


Repository = Annotated[str, AfterValidator(_repository), pattern(_REPOSITORY, "bowerbird/hub")]
Tag = Annotated[str, AfterValidator(_tag), pattern(re.compile(f"{_TAG.pattern}|{_DIGEST.pattern}"), "0.1.0", empty=True)]


class Image(HelmModel):
    """An image by its name and tag."""

    repository: Repository
    tag: Tag = Field("", description="a tag or a digest; the chart's own version where empty")


class Images(HelmModel):
    """Which images run; those of profiles are named where the profiles are."""

    registry: str = Field("", description="put before each name of ours, such as registry.example.org")
    pull_policy: PullPolicy = "IfNotPresent"
    pull_secrets: tuple[Named, ...] = Field((), description="Secrets with which nodes pull images, in each namespace of the release")
    hub: Image = Image(repository="bowerbird/hub")
    proxy: Image = Field(
        Image(repository="bowerbird/hub"), description="an image with configurable-http-proxy and our scripts for it, which the hub's has"
    )
    services: Image = Image(repository="bowerbird/services")
    data: Image = Field(Image(repository="bowerbird/data"), description="of node plugin and holder")
    demo_cas: Image = Field(Image(repository="bowerbird/hub"), description="an image with the demo CAS server")
