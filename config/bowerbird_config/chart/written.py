"""The two files of the chart that are made from the types: `python -m bowerbird_config.chart.written helm/bowerbird`."""

import json
import sys
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from textwrap import wrap
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bowerbird_config.chart.base import type_of
from bowerbird_config.schema import values_schema
from bowerbird_config.values import Values

_HEAD = """\
# Every value of the chart, with what holds where yours say nothing. Written from the types in config/bowerbird_config/chart:
#     python -m bowerbird_config.chart.written helm/bowerbird
# What has no value here must be in yours: the platform file under `platform:`, the host of the Ingress, where the data lie.
"""
_WIDTH = 118


def default_values() -> str:
    """Return the chart's own values, each with its description."""
    return f"{_HEAD}\n" + "\n".join(_lines(Values, 0)) + "\n"


def _lines(model: type[BaseModel], depth: int) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield from _field(field.alias or name, field, depth)


def _field(key: str, field: FieldInfo, depth: int) -> Iterator[str]:
    part = field.annotation if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel) else None
    if depth == 0 and key != "platform":
        yield ""
    indent = "  " * depth
    for words in (part.__doc__ if part and depth == 0 else None, field.description):
        yield from (f"{indent}# {line}" for line in wrap(words or "", _WIDTH - len(indent)))
    default = field.get_default(call_default_factory=True)
    if part and not _required_whole(key):
        yield f"{indent}{key}:"
        yield from (_set(part, default, depth + 1) if isinstance(default, BaseModel) else _lines(part, depth + 1))
    elif field.is_required():
        yield f"{indent}# {key}:"
    else:
        yield f"{indent}{key}: {_flow(field, default)}"


def _required_whole(key: str) -> bool:
    return key in {"platform", "storage"}


def _set(model: type[BaseModel], value: BaseModel, depth: int) -> Iterator[str]:
    """Yield the lines of a part whose values are another's than its type's own, as `resources` are."""
    for name, field in model.model_fields.items():
        known = copy(field)
        known.default, known.default_factory = getattr(value, name), None
        yield from _field(field.alias or name, known, depth)


def _flow(field: FieldInfo, value: Any) -> str:
    return json.dumps(type_of(field).dump_python(value, mode="json", by_alias=True, exclude_none=True), ensure_ascii=False)


def main() -> None:
    """Write both files into the chart."""
    chart = Path(sys.argv[1])
    (chart / "values.schema.json").write_text(json.dumps(values_schema(), indent=1, ensure_ascii=False) + "\n")
    (chart / "values.yaml").write_text(default_values())


if __name__ == "__main__":
    main()
