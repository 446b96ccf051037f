"""Service descriptors (DataLink 1.1, section 4): what a service beside the rows takes, as a RESOURCE of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from bowerbird.votable.field import Field
from bowerbird.votable.header import Param


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter of a service. A `ref` of its field names the column whose values it takes.

    `low` and `high` are the ends of what has an answer, `options` all values that have one.
    """

    field: Field
    value: str = ""
    low: str | None = None
    high: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A service at an address, of a standard."""

    id: str
    address: str
    standard: str
    inputs: Sequence[Input]
    description: str = ""
    content_type: str | None = None

    @property
    def params(self) -> tuple[Param, ...]:
        """What is told of the service itself."""
        told = {"accessURL": self.address, "standardID": self.standard, "contentType": self.content_type}
        return tuple(Param(Field(name, "char", "*"), value) for name, value in told.items() if value)
