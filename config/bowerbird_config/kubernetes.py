"""What Kubernetes demands of names, labels and images, and which nodes a pod may run on; as types."""

import re
from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from bowerbird_config.model import Frozen, FrozenDict, Model

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# The longest name of a CSI driver, of a namespace and of a label's own part alike.
_LONGEST = 63
_LONGEST_DOMAIN = 253
_DNS_LABEL = re.compile(_LABEL)
_DNS_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
# Registry with its port, path, tag, digest: what containerd takes, less what it would complete by itself.
_IMAGE = re.compile(
    r"(?P<name>([a-zA-Z0-9.-]+(:[0-9]{1,5})?/)?[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_LONGEST_IMAGE = 500


def _checked(pattern: re.Pattern[str], what: str, example: str, longest: int = _LONGEST) -> Callable[[str], str]:
    def check(text: str) -> str:
        if len(text) > longest or not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is not {what}; write it like {example!r}")
        return text

    return check


def _label_key(text: str) -> str:
    prefix, slash, name = text.rpartition("/")
    right = _NAME.fullmatch(name) and (not slash or (_DNS_NAME.fullmatch(prefix) and len(prefix) <= _LONGEST_DOMAIN))
    if not right:
        raise ValueError(f"{text!r} is not the key of a label; write it like 'disk' or 'example.org/disk'")
    return text


def _label_value(text: str) -> str:
    if text and not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not the value of a label; write at most {_LONGEST} of a-z, A-Z, 0-9, '-', '_' and '.'")
    return text


def _image(text: str) -> str:
    found = _IMAGE.fullmatch(text) if len(text) <= _LONGEST_IMAGE else None
    if found is None:
        raise ValueError(f"{text!r} is not an image; write it like 'registry.example.org/bowerbird/base:0.1.0'")
    if found["tag"] is None and found["digest"] is None:
        raise ValueError(f"{text!r} has no tag, so it could be another image tomorrow; write it like '{text}:0.1.0'")
    return text


ObjectName = Annotated[str, AfterValidator(_checked(_DNS_LABEL, "a name that an object of Kubernetes can have", "bowerbird-users"))]
DriverName = Annotated[str, AfterValidator(_checked(_DNS_NAME, "the name of a CSI driver", "data.bowerbird.example.org"))]
Domain = Annotated[str, AfterValidator(_checked(_DNS_NAME, "a domain", "example.org", _LONGEST_DOMAIN - len("bowerbird.")))]
LabelKey = Annotated[str, AfterValidator(_label_key)]
LabelValue = Annotated[str, AfterValidator(_label_value)]
Labels = Frozen[LabelKey, LabelValue]
ImageReference = Annotated[str, AfterValidator(_image)]
PullPolicy = Literal["IfNotPresent", "Always", "Never"]


class Toleration(Model):
    """A taint of nodes that a pod bears; one without a key bears every taint."""

    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] = "Exists"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(None, description="every effect where none is named")
    seconds: int | None = Field(None, ge=0, strict=True, description="how long a pod stays on a node that gets the taint NoExecute")

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if self.operator == "Equal" and (self.key is None or self.value is None):
            raise ValueError("a toleration with 'Equal' needs a key and a value; add both, or write operator: Exists")
        if self.operator == "Exists" and self.value is not None:
            raise ValueError(f"a toleration with 'Exists' has no value; remove {self.value!r}, or write operator: Equal")
        if self.seconds is not None and self.effect != "NoExecute":
            raise ValueError("a toleration has seconds only with the effect NoExecute; remove the seconds")
        return self


class Placement(Model):
    """On which nodes a pod may run."""

    node_selector: Labels = Field(default_factory=FrozenDict)
    tolerations: tuple[Toleration, ...] = ()
