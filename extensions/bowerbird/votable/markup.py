"""The XML around the rows, as text."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from bowerbird.errors import VOTableError
from bowerbird.votable.field import Field
from bowerbird.votable.header import Coosys, Group, Header, Info, Link, Param, Timesys
from bowerbird.votable.services import Input, Service

Serialization = Literal["BINARY2", "BINARY", "TABLEDATA"]
START = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
)
_OPEN: dict[str, str] = {
    "BINARY2": '<DATA>\n<BINARY2>\n<STREAM encoding="base64">\n',
    "BINARY": '<DATA>\n<BINARY>\n<STREAM encoding="base64">\n',
    "TABLEDATA": "<DATA>\n<TABLEDATA>\n",
}
_CLOSE: dict[str, str] = {
    "BINARY2": "</STREAM>\n</BINARY2>\n</DATA>\n",
    "BINARY": "</STREAM>\n</BINARY>\n</DATA>\n",
    "TABLEDATA": "</TABLEDATA>\n</DATA>\n",
}
# What XML 1.0 has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile(f"[&<>\r]|{_UNWRITABLE.pattern}")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def text(content: str) -> str:
    """Return character data that is read back as `content`."""
    found = _UNWRITABLE.search(content)
    if found:
        raise VOTableError(f"XML has no way to write the character {found[0]!r}; BINARY2 has")
    return content.translate(_ESCAPES)


def is_plain(content: str) -> bool:
    """Tell whether a text is character data as it is."""
    return _SPECIAL.search(content) is None


def prose(content: str) -> str:
    """Return a description as character data; what XML cannot write is replaced."""
    return _UNWRITABLE.sub("\ufffd", content).translate(_ESCAPES)


def element(tag: str, inside: str = "", **attributes: str | None) -> str:
    """Return an element on a line; attributes that are None or empty are left out, save a value."""
    told = "".join(_attribute(key, value) for key, value in attributes.items() if value or (key == "value" and value is not None))
    return f"<{tag}{told}>{inside}</{tag}>\n" if inside else f"<{tag}{told}/>\n"


def _attribute(name: str, value: str | None) -> str:
    return f' {name.replace("_", "-")}="{_UNWRITABLE.sub(chr(0xFFFD), value or "").translate(_ATTRIBUTE_ESCAPES)}"'


def start(header: Header, serialization: Serialization) -> str:
    """Return everything before the first row."""
    infos = list(header.infos)
    if not any(info.name == "QUERY_STATUS" for info in infos):
        infos.insert(0, Info("QUERY_STATUS", "OK"))
    systems = "".join([*map(_coosys, header.coosys), *map(_timesys, header.timesys), *map(_param, header.params)])
    rows = str(header.nrows) if header.nrows is not None else None
    table = element("TABLE", ID=header.id, name=header.name, utype=header.utype, nrows=rows)
    fields = "".join(_field("FIELD", field, serialization) for field in header.fields)
    around = "".join([*map(_group, header.groups), *map(_link, header.links)])
    return (
        f'{START}<RESOURCE type="results">\n{"".join(map(info_element, infos))}{systems}'
        f"{table[:-3]}>\n{_description(header.description)}{fields}{around}{_OPEN[serialization]}"
    )


def end(serialization: Serialization, infos: Iterable[Info] = (), services: Iterable[Service] = ()) -> str:
    """Return everything after the last row."""
    beside = "".join(map(_service, services))
    return f"{_CLOSE[serialization]}</TABLE>\n{''.join(map(info_element, infos))}</RESOURCE>\n{beside}</VOTABLE>\n"


def _service(service: Service) -> str:
    inputs = element("GROUP", "".join(map(_input, service.inputs)), name="inputParams")
    inside = _description(service.description) + "".join(map(_param, service.params)) + inputs
    return element("RESOURCE", inside, type="meta", utype="adhoc:service", ID=service.id)


def _input(given: Input) -> str:
    ends = [element(tag, value=value) for tag, value in (("MIN", given.low), ("MAX", given.high)) if value is not None]
    values = "".join([*ends, *(element("OPTION", value=value) for value in given.options)])
    return _field("PARAM", given.field, value=given.value, values=element("VALUES", values) if values else "")


def info_element(info: Info) -> str:
    """Return an INFO."""
    return element("INFO", prose(info.text), ID=info.id, name=info.name, value=info.value, ucd=info.ucd, utype=info.utype, unit=info.unit)


def _description(description: str) -> str:
    return element("DESCRIPTION", prose(description)) if description else ""


@lru_cache(maxsize=4096)
def _field(tag: str, field: Field, serialization: Serialization = "TABLEDATA", value: str | None = None, values: str = "") -> str:
    # BINARY2 flags a missing cell; only the missing element of an array needs a value that stands for it.
    needed = field.null is not None and (serialization != "BINARY2" or bool(field.arraysize))
    inside = _description(field.description) + (element("VALUES", null=str(field.null)) if needed else values)
    return element(
        tag,
        inside,
        ID=field.id,
        name=field.name,
        datatype=field.datatype,
        arraysize=field.arraysize if field.arraysize != "1" else None,  # deprecated by an erratum of VOTable 1.3
        xtype=field.xtype,
        unit=field.unit,
        ucd=field.ucd,
        utype=field.utype,
        ref=field.ref,
        value=value,
    )


def _param(param: Param) -> str:
    return _field("PARAM", param.field, value=param.value)


def _coosys(system: Coosys) -> str:
    return element("COOSYS", ID=system.id, system=system.system, epoch=system.epoch, equinox=system.equinox, refposition=system.refposition)


def _timesys(system: Timesys) -> str:
    return element("TIMESYS", ID=system.id, timeorigin=system.timeorigin, timescale=system.timescale, refposition=system.refposition)


def _link(link: Link) -> str:
    return element(
        "LINK", href=link.href, content_role=link.content_role, content_type=link.content_type, title=link.title, value=link.value
    )


def _group(group: Group) -> str:
    inside = [
        _description(group.description),
        *(element("FIELDref", ref=ref) for ref in group.fieldrefs),
        *(element("PARAMref", ref=ref) for ref in group.paramrefs),
        *map(_param, group.params),
    ]
    return element("GROUP", "".join(inside), name=group.name, ucd=group.ucd, utype=group.utype)
