"""Where single-user servers run: of PodSettings what an admin says; the chart itself says the rest."""

from typing import Any

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator

from bowerbird_config.chart.base import HelmModel, Named, Scheduled, type_of
from bowerbird_config.kubernetes import ImageReference, LabelKey, LabelValue
from bowerbird_config.model import Frozen, FrozenDict, Size, Slug
from bowerbird_config.pod_settings import PodSettings, ProfilePods, Requests

_TOLD = PodSettings.model_fields
# What PodSettings holds these to is not said here again.
_HELD = ("python", "domain", "labels")
_CHECKS: dict[str, TypeAdapter[Any]] = {name: type_of(_TOLD[name]) for name in _HELD}


class ChartRequests(HelmModel, Requests):
    """The parts of a profile's limits that its node keeps free for a pod, used or not; 1 is all of a limit."""


class ChartProfile(Scheduled, ProfilePods):
    """What is said of one profile's pods, in addition to what is said of all."""

    requests: ChartRequests | None = Field(None, description=ProfilePods.model_fields["requests"].description)


class Users(Scheduled):
    """Single-user servers, each a pod in a namespace of their own, which enforces `restricted`."""

    namespace: Named = Field("", description="made from the release's where empty")
    create_namespace: bool = True
    images: Frozen[Slug, ImageReference] = Field(min_length=1, description=_TOLD["images"].description)
    python: str = Field(_TOLD["python"].default, description=_TOLD["python"].description)
    domain: str = Field(_TOLD["domain"].default, description=_TOLD["domain"].description)
    priority_class: Named = ""
    requests: ChartRequests = ChartRequests()
    scratch: Size = Field(_TOLD["scratch"].default, description=_TOLD["scratch"].description)
    labels: Frozen[LabelKey, LabelValue] = Field(FrozenDict(), description=_TOLD["labels"].description)
    annotations: Frozen[LabelKey, str] = Field(FrozenDict(), description=_TOLD["annotations"].description)
    profiles: Frozen[Slug, ChartProfile] = Field(FrozenDict(), description=_TOLD["profiles"].description)

    @field_validator(*_HELD)
    @classmethod
    def _as_pods_take_it(cls, value: Any, info: ValidationInfo) -> Any:
        try:
            return _CHECKS[str(info.field_name)].validate_python(value)
        except ValidationError as error:
            raise ValueError(str(error.errors()[0].get("ctx", {})["error"])) from error
