"""What stands around the rows: INFO, PARAM, COOSYS, TIMESYS, GROUP, LINK, and the header that holds them."""

from collections.abc import Sequence
from dataclasses import dataclass

from bowerbird.votable.field import Field


@dataclass(frozen=True, slots=True)
class Info:
    """An INFO; `text` is what stands inside."""

    name: str
    value: str
    text: str = ""
    id: str | None = None
    ucd: str | None = None
    utype: str | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Param:
    """A PARAM: a field whose one value is text, as TABLEDATA would write it."""

    field: Field
    value: str


@dataclass(frozen=True, slots=True)
class Coosys:
    """A COOSYS; `epoch` as 'J2016.0'."""

    id: str
    system: str | None = None
    epoch: str | None = None
    equinox: str | None = None
    refposition: str | None = None


@dataclass(frozen=True, slots=True)
class Timesys:
    """A TIMESYS."""

    id: str
    timescale: str
    refposition: str
    timeorigin: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A LINK."""

    href: str | None = None
    content_role: str | None = None
    content_type: str | None = None
    title: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A GROUP: what it refers to, and its own params."""

    name: str | None = None
    ucd: str | None = None
    utype: str | None = None
    description: str = ""
    fieldrefs: tuple[str, ...] = ()
    paramrefs: tuple[str, ...] = ()
    params: tuple[Param, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """Everything that a table says before its rows. Without an INFO QUERY_STATUS among `infos`, OK is written."""

    fields: Sequence[Field]
    infos: Sequence[Info] = ()
    params: Sequence[Param] = ()
    coosys: Sequence[Coosys] = ()
    timesys: Sequence[Timesys] = ()
    links: Sequence[Link] = ()
    groups: Sequence[Group] = ()
    name: str | None = None
    description: str = ""
    utype: str | None = None
    id: str | None = None
    nrows: int | None = None
