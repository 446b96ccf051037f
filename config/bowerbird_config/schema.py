"""The JSON schemas of the platform file and of the chart's values, for editors, Helm and the docs."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from bowerbird_config.model import FrozenDict
from bowerbird_config.platform import Platform
from bowerbird_config.values import Values


class _Generator(GenerateJsonSchema):
    """Pydantic's, which also writes our mappings."""

    def encode_default(self, dft: Any) -> Any:
        return dict(dft) if isinstance(dft, FrozenDict) else super().encode_default(dft)


def values_schema() -> dict[str, Any]:
    """Return the schema of the chart's values, which Helm holds every file of values to."""
    found = Values.model_json_schema(schema_generator=_Generator)
    found["$schema"] = _Generator.schema_dialect
    found["title"] = "Values of Bowerbird's chart"
    return found


def schema() -> dict[str, Any]:
    """Return the schema of a platform file that includes no others, or of the first of several."""
    found = Platform.model_json_schema(schema_generator=_Generator)
    found["$schema"] = _Generator.schema_dialect
    found["title"] = "Bowerbird platform file"
    found["properties"]["include"] = {
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "description": "more files, relative to this one; their mappings are joined with those here",
    }
    return found
