"""What only a cluster says of the pods that single-user servers run in; all else of them is in the platform file."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from bowerbird_config.kubernetes import (
    Domain,
    DriverName,
    ImageReference,
    LabelKey,
    LabelValue,
    ObjectName,
    Placement,
    PullPolicy,
)
from bowerbird_config.model import Frozen, FrozenDict, Model, Size, Slug

_PYTHON = re.compile(r"3\.[0-9]{1,2}")
# What the pods' own builder says; a label of the admin's may not contradict it.
_OWN_LABELS = re.compile(r"component|app\.kubernetes\.io/.*|hub\.jupyter\.org/.*|([^/]*\.)?kubernetes\.io/.*|bowerbird\..*")


def _hub_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{url!r} is not an address of the hub; write it like http://hub.bowerbird.svc:8081")
    return url.rstrip("/")


def _python(version: str) -> str:
    if not _PYTHON.fullmatch(version):
        raise ValueError(f"{version!r} is not a version of Python; write it like '3.11', in quotes")
    return version


def _own_label(key: str) -> str:
    if _OWN_LABELS.fullmatch(key):
        raise ValueError(f"{key!r} is a label that the platform sets itself; choose another one")
    return key


class Requests(Model):
    """The parts of a profile's limits that its node keeps free for a pod, used or not; 1 is all of a limit."""

    memory: float = Field(0.5, gt=0, le=1)
    cpu: float = Field(0.1, gt=0, le=1)


class ProfilePods(Placement):
    """What is said of one profile's pods, in addition to what is said of all."""

    requests: Requests | None = Field(None, description="those of all pods where absent")


class PodSettings(Placement):
    """What only a cluster says of user pods; the chart writes it from its values, and the hub reads it."""

    namespace: ObjectName = Field(description="where user pods run; it enforces Pod Security 'restricted', and nothing else is in it")
    release: ObjectName = Field("bowerbird", description="the name of the installation, for app.kubernetes.io/instance")
    domain: Domain = Field("example.org", description="labels of ours begin with bowerbird.<domain>/")
    hub_url: Annotated[str, AfterValidator(_hub_url)] = Field(description="the hub as pods reach it, without its base path")
    driver: DriverName = Field(description="the CSI driver of the node plugin, which brings the view, the home and the accounts")
    images: Frozen[Slug, ImageReference] = Field(
        min_length=1, description="the image of each environment that a profile names; no other image runs"
    )
    shared_storage: bool = Field(False, description="whether homes and spaces lie on storage that every node of user pods reaches")
    python: Annotated[str, AfterValidator(_python)] = Field("3.11", description="the version of Python in the images")
    pull_policy: PullPolicy = "IfNotPresent"
    pull_secrets: tuple[ObjectName, ...] = Field((), description="Secrets in the pods' namespace with which nodes pull images")
    service_account: ObjectName = Field("default", description="a ServiceAccount without rights; its token is never in the pod")
    priority_class: ObjectName | None = None
    requests: Requests = Requests()
    scratch: Size = Field(4 << 30, description="the room of /tmp; what fills it more is ended by its node")
    labels: Frozen[Annotated[LabelKey, AfterValidator(_own_label)], LabelValue] = Field(
        default_factory=FrozenDict, description="more labels of user pods"
    )
    annotations: Frozen[LabelKey, str] = Field(default_factory=FrozenDict, description="more annotations of user pods")
    profiles: Frozen[Slug, ProfilePods] = Field(default_factory=FrozenDict, description="by profile, what only its pods have")

    def placement(self, profile: str) -> Placement:
        """Return on which nodes the pods of a profile may run."""
        own = self.profiles.get(profile, ProfilePods())
        return Placement(node_selector={**self.node_selector, **own.node_selector}, tolerations=(*self.tolerations, *own.tolerations))

    def requests_of(self, profile: str) -> Requests:
        """Return what part of its limits the pods of a profile are promised."""
        own = self.profiles.get(profile, ProfilePods())
        return own.requests or self.requests

    def label(self, name: str) -> str:
        """Return the key of a label of ours."""
        return f"bowerbird.{self.domain}/{name}"
