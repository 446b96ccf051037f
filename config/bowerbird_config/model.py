"""The base of every part of the platform file, and its quantities: sizes, times, names."""

import re
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, NoReturn, TypeVar
from unicodedata import category

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationInfo, WithJsonSchema

from bowerbird_config.user_names import user_name

# In milliseconds for times, in bytes for sizes: integers, so that what is written is what is read back.
SIZE_UNITS: Mapping[str, int] = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50}
TIME_UNITS: Mapping[str, int] = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
# Validation context of a platform file, where a bare number is never a size.
FROM_FILE: Mapping[str, bool] = {"from_file": True}

_QUANTITY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([A-Za-z]+)")
_SLUG = re.compile(r"[a-z][a-z0-9_-]{0,30}")

# Of Unicode's: control characters, line and paragraph separators. Thin spaces and their like are well in a title.
_CONTROLS = frozenset({"Cc", "Zl", "Zp"})

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Model(BaseModel):
    """A part of the platform file: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FrozenDict(dict[K, V]):
    """A mapping that cannot be changed, and so can be shared and hashed."""

    def _refuse(self, *_arguments: object, **_keywords: object) -> NoReturn:
        raise TypeError("a part of the platform file cannot be changed; edit the file")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]  # dict says None: a dict that cannot change has a hash
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type, tuple[dict[K, V]]]:
        return (type(self), (dict(self),))


Frozen = Annotated[Mapping[K, V], AfterValidator(FrozenDict)]


def _quantity(raw: object, units: Mapping[str, int], example: str) -> int:
    match = _QUANTITY.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match is None or match[2] not in units:
        raise ValueError(f"{raw!r} is not a quantity with a unit; write it like {example!r}, with one of {', '.join(units)}")
    return round(Decimal(match[1]) * units[match[2]])


def _in_units(amount: int, units: Mapping[str, int], least: str) -> str:
    for unit, factor in sorted(units.items(), key=lambda unit: -unit[1]):
        if amount and amount % factor == 0:
            return f"{amount // factor} {unit}"
    return f"{amount} {least}"


def parse_size(raw: object) -> int:
    """Return the bytes of a size such as ``4 GiB``; an integer is bytes already."""
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return raw
    return _quantity(raw, SIZE_UNITS, "4 GiB")


def format_size(size_bytes: int) -> str:
    """Return a size as the platform file writes it, in the largest unit that keeps it exact."""
    return _in_units(size_bytes, SIZE_UNITS, "B")


def parse_duration(raw: object) -> timedelta:
    """Return the duration of a text such as ``30 min``."""
    if isinstance(raw, timedelta):
        return raw
    try:
        return timedelta(milliseconds=_quantity(raw, TIME_UNITS, "30 min"))
    except OverflowError:
        raise ValueError(f"{raw!r} is longer than any platform lives; write it like '30 min'") from None


def format_duration(duration: timedelta) -> str:
    """Return a duration as the platform file writes it, to the millisecond."""
    return _in_units(duration // timedelta(milliseconds=1), TIME_UNITS, "ms")


def parse_moment(raw: object) -> datetime:
    """Return the time of an ISO 8601 text with a UTC offset, in UTC."""
    try:
        moment = raw if isinstance(raw, datetime) else datetime.fromisoformat(raw.strip() if isinstance(raw, str) else "")
    except ValueError:
        raise ValueError(f"{raw!r} is not a time; write it like 2027-03-01T00:00:00Z") from None
    if moment.utcoffset() is None:
        raise ValueError(f"{str(raw)!r} has no UTC offset; write it like 2027-03-01T00:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{raw!r} is outside the years 1 to 9999; write it like 2027-03-01T00:00:00Z") from None


def format_moment(moment: datetime) -> str:
    """Return a time as pages, logs and errors show it: ``2027-03-01 00:00 UTC``, with seconds where it has them."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC" if utc.second else f"{utc:%Y-%m-%d %H:%M} UTC"


def _duration(raw: object) -> timedelta:
    duration = parse_duration(raw)
    if duration <= timedelta(0):
        raise ValueError(f"{raw!r} is no time at all; write it like '30 min'")
    return duration


def _size(raw: object, info: ValidationInfo) -> int:
    if info.context == FROM_FILE and isinstance(raw, int):
        raise ValueError(f"{raw} has no unit; write it like '{raw} GiB', with one of {', '.join(SIZE_UNITS)}")
    return parse_size(raw)


def is_slug(name: object) -> bool:
    """Tell whether something may be the name of a team, a collection or the like."""
    return isinstance(name, str) and _SLUG.fullmatch(name) is not None


def _slug(name: str) -> str:
    if not is_slug(name):
        raise ValueError(f"{name!r} cannot be a name here; write a small letter, then at most 30 of a-z, 0-9, '-' and '_'")
    return name


def _line(text: str) -> str:
    if not text.strip() or not _CONTROLS.isdisjoint(map(category, text)):
        raise ValueError(f"{text!r} is not one line of text; write one line")
    return text.strip()


def also(*words: object) -> Callable[[dict[str, Any]], None]:
    """Return what adds words to the schema of a field: those that a file may write where a field's type has None."""

    def add(schema: dict[str, Any]) -> None:
        schema["anyOf"] += [{"const": word} for word in words]

    return add


def _schema(pattern: str, example: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example], **more})


Size = Annotated[int, BeforeValidator(_size), PlainSerializer(format_size), _schema(rf"^[0-9.]+ *({'|'.join(SIZE_UNITS)})$", "4 GiB")]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration),
    _schema(rf"^[0-9.]+ *({'|'.join(TIME_UNITS)})$", "30 min"),
]
Moment = Annotated[datetime, BeforeValidator(parse_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
# What names a directory, a URL part, a group and a Kubernetes label at once.
Slug = Annotated[str, AfterValidator(_slug), _schema(f"^{_SLUG.pattern}$", "eso")]
Line = Annotated[str, AfterValidator(_line)]
UserName = Annotated[str, AfterValidator(user_name)]
