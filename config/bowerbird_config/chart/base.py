"""The base of Helm's own part of the values, and Kubernetes' quantities and names."""

import re
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from bowerbird_config.kubernetes import ObjectName, Placement, Toleration
from bowerbird_config.model import Frozen, FrozenDict, Model

_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")


class HelmModel(Model):
    """A part of the values that is Helm's: frozen, keys in camelCase, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, validate_by_alias=True, validate_by_name=False)


def pattern(matched: re.Pattern[str], example: str, *, empty: bool = False) -> WithJsonSchema:
    """Return the schema of a text that matches; an empty one says that there is none."""
    return WithJsonSchema({"type": "string", "pattern": f"^({matched.pattern}){'?' if empty else ''}$", "examples": [example]})


def _quantity(text: str) -> str:
    if not _QUANTITY.fullmatch(text):
        raise ValueError(f"{text!r} is not a quantity of Kubernetes; write it like '500m', '2' or '512Mi', in quotes")
    return text


Quantity = Annotated[str, AfterValidator(_quantity), pattern(_QUANTITY, "512Mi")]


def _or_empty(kind: Any) -> AfterValidator:
    """Return the check of a type, which an empty text passes: Helm drops what is null, so that it says "none"."""
    checks: list[AfterValidator] = [check for check in get_args(kind)[1:] if isinstance(check, AfterValidator)]

    def check(text: str) -> str:
        for each in checks if text else ():
            each.func(text)  # type: ignore[call-arg]  # none of ours asks for pydantic's context
        return text

    return AfterValidator(check)


Named = Annotated[str, _or_empty(ObjectName)]


def type_of(field: FieldInfo) -> TypeAdapter[Any]:
    """Return the type of a field with all that it is held to."""
    # None: a type without marks is one too.
    kind: Any = Annotated[(field.annotation, *field.metadata, None)]
    return TypeAdapter(kind)


def says(key: str) -> dict[str, Any]:
    """Return the schema of a mapping whose key is a text that says something."""
    return {"properties": {key: {"minLength": 1}}, "required": [key]}


class Resources(HelmModel):
    """What a container is promised, and the most that it may take; names are Kubernetes', such as cpu and memory."""

    requests: Frozen[str, Quantity] = Field(default_factory=FrozenDict)
    limits: Frozen[str, Quantity] = Field(default_factory=FrozenDict)


def promised(cpu: str, memory: str, most: str) -> Resources:
    """Return a promise of processor and memory, and the most memory."""
    return Resources(requests=FrozenDict(cpu=cpu, memory=memory), limits=FrozenDict(memory=most))


class ChartToleration(HelmModel, Toleration):
    """A taint of nodes that pods bear; one without a key bears every taint."""


class Scheduled(HelmModel, Placement):
    """On which nodes pods may run."""

    tolerations: tuple[ChartToleration, ...] = ()


class Claim(HelmModel):
    """A PersistentVolumeClaim of the chart's, or one that is there already."""

    existing_claim: Named = Field("", description="a claim that is there already; the chart makes none then")
    storage_class: str = Field("", description="the cluster's default one where empty")
    size: Quantity = "1Gi"
