"""What pydantic found wrong, in our own words, with the place and the remedy."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bowerbird_config.model import Model
from bowerbird_config.platform import Platform
from bowerbird_config.problems import Finding, Place, Problem, Steps, choose_from

_SHOWN = 60
_SEE = "see 'bowerbird schema'"


@dataclass(frozen=True, slots=True)
class Whole:
    """What a file describes: its type, what sentences call it, and the keys that it may have beside those of the type."""

    model: type[Model]
    title: str
    beside: tuple[str, ...] = ()


PLATFORM_FILE = Whole(Platform, "the platform file", ("include",))


def in_words(errors: Iterable[ErrorDetails], tree: Any, places: Mapping[Steps, Place], whole: Whole = PLATFORM_FILE) -> Iterator[Problem]:
    """Yield a problem for each error of the parts; what the whole platform says of itself is for crosschecks.py."""
    for details in errors:
        if details["loc"]:
            steps = _steps(details, tree)
            yield located(Finding(steps, *_say(details, steps, whole)), places)


def located(finding: Finding, places: Mapping[Steps, Place]) -> Problem:
    """Return the finding with the place of its part, or of the smallest written part that it belongs to."""
    steps = finding.steps
    while steps and steps not in places:
        steps = steps[:-1]
    return Problem(places[steps], finding.what, finding.remedy)


def _steps(details: ErrorDetails, tree: Any) -> Steps:
    """Return the way to the part in the file: pydantic's, less its own marks for unions and keys."""
    steps: list[str | int] = []
    for step in details["loc"]:
        written = dict(enumerate(tree)) if isinstance(tree, list) else tree
        if isinstance(written, Mapping) and step in written:
            tree = written[step]
            steps.append(step)
    return tuple(steps)


def _dotted(steps: Steps, whole: Whole) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".") or whole.title


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _say(details: ErrorDetails, steps: Steps, whole: Whole) -> tuple[str, str]:
    kind = details["type"]
    if kind == "missing":
        return _missing(str(details["loc"][-1]), steps, whole)
    if kind == "extra_forbidden":
        return _unknown(str(steps[-1]), steps[:-1], whole)
    if kind == "value_error":
        what, _, remedy = str(details.get("ctx", {})["error"]).partition("; ")
        return f"{_dotted(steps, whole)}: {what}", remedy or _SEE
    what, remedy = _EXPECTED.get(kind, _other)(details)
    return f"{_dotted(steps, whole)}: {what}", remedy


def _fields(model: type[Model] | None) -> Mapping[str, FieldInfo]:
    """Return the fields of a part by the keys that files write."""
    return {field.alias or name: field for name, field in model.model_fields.items()} if model else {}


def _missing(key: str, steps: Steps, whole: Whole) -> tuple[str, str]:
    field = _fields(_model_at(steps, whole)).get(key)
    about = field.description if field else None
    return f"{_dotted(steps, whole)} has no {key!r}", f"add '{key}:'" + (f" ({about})" if about else "")


def _unknown(key: str, above: Steps, whole: Whole) -> tuple[str, str]:
    what = f"{_dotted(above, whole)} has a key {key!r}, which is not known"
    known = [*_fields(_model_at(above, whole)), *(() if above else whole.beside)]
    if re.search("password|secret|token|passphrase", key, re.IGNORECASE):
        return what, f"secrets never stand in {whole.title}: remove it"
    if key in PLATFORM_FILE.beside:
        return what, "'bowerbird render --values' writes a platform file out with all that it includes"
    return what, choose_from(key, known, "known")


def _expected(what: str, remedy: str = "write {what}") -> Callable[[ErrorDetails], tuple[str, str]]:
    def say(details: ErrorDetails) -> tuple[str, str]:
        found = details["input"]
        return f"expected {what}, found {_shown(found)}", remedy.format(what=what, found=found)

    return say


def _text(details: ErrorDetails) -> tuple[str, str]:
    found = details["input"]
    scalar = isinstance(found, bool | int | float)
    return f"expected a text, found {_shown(found)}", f"put it in quotes: '{found}'" if scalar else "write a text"


def _list(details: ErrorDetails) -> tuple[str, str]:
    found = details["input"]
    remedy = f"write [{found}]" if isinstance(found, str) else "write [] or lines that begin with '- '"
    return f"expected a list, found {_shown(found)}", remedy


def _bound(words: str, key: str) -> Callable[[ErrorDetails], tuple[str, str]]:
    def say(details: ErrorDetails) -> tuple[str, str]:
        bound = details.get("ctx", {})[key]
        return f"{_shown(details['input'])} is out of range", f"write {words} {bound:.12g}"

    return say


def _literal(details: ErrorDetails) -> tuple[str, str]:
    expected = details.get("ctx", {})["expected"]
    return f"expected {expected}, found {_shown(details['input'])}", f"write {expected}"


def _other(details: ErrorDetails) -> tuple[str, str]:
    return f"{details['msg'].lower()}, found {_shown(details['input'])}", _SEE


_MAPPING = _expected("a mapping", "write its keys below it, indented by two spaces")
_NUMBER = _expected("a number", "write it without a unit and without quotes")
_EXPECTED: Mapping[str, Callable[[ErrorDetails], tuple[str, str]]] = {
    "string_type": _text,
    "tuple_type": _list,
    "mapping_type": _MAPPING,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "int_type": _expected("a whole number"),
    "int_from_float": _expected("a whole number"),
    "float_type": _NUMBER,
    "bool_type": _expected("true or false"),
    "bool_parsing": _expected("true or false"),
    "greater_than": _bound("more than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "literal_error": _literal,
    "too_short": lambda _: ("expected at least one, found none", "name one"),
}


def _alternatives(kind: Any) -> Iterator[Any]:
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for part in get_args(kind):
            yield from _alternatives(part)
    else:
        yield kind


def _below(kind: Any, step: str | int) -> Any:
    """Return the type of what stands below a type at that step; None where nothing may."""
    for part in _alternatives(kind):
        if isinstance(part, type) and issubclass(part, Model):
            field = _fields(part).get(str(step))
            if field is not None:
                return field.annotation
        elif len(get_args(part)) == 2:  # noqa: PLR2004  # Mapping[key, value] or tuple[value, ...]
            return get_args(part)[0 if get_origin(part) is tuple else 1]
    return None


def _model_at(steps: Steps, whole: Whole) -> type[Model] | None:
    kind: Any = whole.model
    for step in steps:
        kind = _below(kind, step)
    return next((part for part in _alternatives(kind) if isinstance(part, type) and issubclass(part, Model)), None)
