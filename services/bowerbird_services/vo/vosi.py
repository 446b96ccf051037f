"""VOSI 1.1: what a service can do, whether it is there, and which tables it has; TAPRegExt 1.0 says the first of TAP."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bowerbird_services.allowances import Allowance
from bowerbird_services.formats import FORMATS
from bowerbird_services.store import obscore, tap_schema
from bowerbird_services.store.catalogues import SeenCatalogue
from bowerbird_services.store.names import delimited
from bowerbird_services.tables import Catalogue, Column, Table
from bowerbird_services.vo.health import State
from bowerbird_services.vo.xml import XSI, element, optional

_CAPABILITIES = {
    "xmlns:vosi": "http://www.ivoa.net/xml/VOSICapabilities/v1.0",
    "xmlns:vr": "http://www.ivoa.net/xml/VOResource/v1.0",
    "xmlns:vs": "http://www.ivoa.net/xml/VODataService/v1.1",
    "xmlns:tr": "http://www.ivoa.net/xml/TAPRegExt/v1.0",
    "xmlns:xsi": XSI,
}
# What is written is VODataService 1.2, which has kept the namespace of 1.1.
_TABLES = {
    "xmlns:vosi": "http://www.ivoa.net/xml/VOSITables/v1.0",
    "xmlns:vs": "http://www.ivoa.net/xml/VODataService/v1.1",
    "xmlns:xsi": XSI,
}
_AVAILABILITY = {"xmlns:vosi": "http://www.ivoa.net/xml/VOSIAvailability/v1.0"}
_SECURITY = ("ivo://ivoa.net/sso#BasicAA", "ivo://ivoa.net/sso#OAuth")
# ADQL 2.1 names it, and validators by TAPRegExt 1.0 do not know it.
_UNDECLARED = "adql-conditional"
# TAPRegExt 1.0, section 2.4.
_OUTPUT = "ivo://ivoa.net/std/TAPRegExt#output-votable-"
_SERIALIZATIONS = {"TABLEDATA": "td", "BINARY": "binary", "BINARY2": "binary2"}
_OBSCORE = {"ivo://ivoa.net/std/ObsCore#core-1.1": "ObsCore-1.1"}
CONE_SEARCH = "ivo://ivoa.net/std/ConeSearch"
_ADQL = "ivo://ivoa.net/std/TAPRegExt#features-"


@dataclass(frozen=True, slots=True)
class Feature:
    """One optional feature of ADQL: `kind` as TAPRegExt names it (`udf`, `adqlgeo`, ...)."""

    kind: str
    form: str
    description: str = ""


def capabilities(base: str, features: Sequence[Feature], allowance: Allowance, models: Mapping[str, str]) -> ET.Element:
    """Return what the TAP service at `base` can do; `models` are the data models of its tables, names by identifiers."""
    parts = [
        _tap(base, features, allowance, models),
        _plain("ivo://ivoa.net/std/VOSI#capabilities", f"{base}/capabilities"),
        _plain("ivo://ivoa.net/std/VOSI#availability", f"{base}/availability"),
        _plain("ivo://ivoa.net/std/VOSI#tables-1.1", f"{base}/tables", version="1.1"),
        _plain("ivo://ivoa.net/std/DALI#examples", f"{base}/examples", interface="vr:WebBrowser"),
    ]
    return element("vosi:capabilities", _CAPABILITIES, parts)


def _plain(standard: str, address: str, interface: str = "vs:ParamHTTP", version: str = "1.0") -> ET.Element:
    url = element("accessURL", {"use": "full"}, text=address)
    attributes = {"xsi:type": interface, "role": "std", "version": version}
    return element("capability", {"standardID": standard}, [element("interface", attributes, [url])])


def models(catalogue: Catalogue) -> Mapping[str, str]:
    """Return the data models that tables of a catalogue are of, names by identifiers (TAPRegExt 1.0, section 2.1)."""
    return _OBSCORE if catalogue.get(obscore.TABLE.full_name) is not None else {}


def simple_capabilities(standard: str, base: str, path: str, version: str) -> ET.Element:
    """Return what a service at `base` can do that has one protocol, at `path` below it."""
    parts = [
        element("capability", {"standardID": standard}, [_signed("full", f"{base}/{path}", version)]),
        _plain("ivo://ivoa.net/std/VOSI#capabilities", f"{base}/capabilities"),
        _plain("ivo://ivoa.net/std/VOSI#availability", f"{base}/availability"),
    ]
    return element("vosi:capabilities", _CAPABILITIES, parts)


def _signed(use: str, address: str, version: str) -> ET.Element:
    """Return an interface for whoever is signed in, by either way, or not."""
    security = [element("securityMethod"), *(element("securityMethod", {"standardID": standard}) for standard in _SECURITY)]
    url = element("accessURL", {"use": use}, text=address)
    return element("interface", {"xsi:type": "vs:ParamHTTP", "role": "std", "version": version}, [url, *security])


def _tap(base: str, features: Sequence[Feature], allowance: Allowance, models: Mapping[str, str]) -> ET.Element:
    return element(
        "capability",
        {"standardID": "ivo://ivoa.net/std/TAP", "xsi:type": "tr:TableAccess"},
        [_signed("base", base, "1.1"), *_models(models), _language(features), *_outputs(), *_uploads(), *_limits(allowance)],
    )


def _language(features: Sequence[Feature]) -> ET.Element:
    versions = [element("version", {"ivo-id": f"ivo://ivoa.net/std/ADQL#v{version}"}, text=version) for version in ("2.0", "2.1")]
    groups = []
    for kind in dict.fromkeys(feature.kind for feature in features if not feature.kind.endswith(_UNDECLARED)):
        members = [
            element("feature", children=[element("form", text=feature.form), optional("description", feature.description)])
            for feature in features
            if feature.kind == kind
        ]
        identifier = kind if kind.startswith("ivo://") else f"{_ADQL}{kind}"
        groups.append(element("languageFeatures", {"type": identifier}, members))
    told = element("description", text="ADQL with the functions below")
    return element("language", children=[element("name", text="ADQL"), *versions, told, *groups])


def _models(models: Mapping[str, str]) -> Iterable[ET.Element]:
    return [element("dataModel", {"ivo-id": identifier}, text=name) for identifier, name in models.items()]


def _outputs() -> Iterable[ET.Element]:
    for known in FORMATS:
        named = _SERIALIZATIONS.get(known.mime.partition("serialization=")[2])
        identifier = {"ivo-id": f"{_OUTPUT}{named}"} if named else {}
        yield element(
            "outputFormat",
            identifier,
            children=[element("mime", text=known.mime), *(element("alias", text=name) for name in known.aliases)],
        )


def _uploads() -> Iterable[ET.Element]:
    # By HTTP come the results of the service's own jobs and nothing else; TAPRegExt has no word for that.
    for method in ("inline", "http"):
        yield element("uploadMethod", {"ivo-id": f"ivo://ivoa.net/std/TAPRegExt#upload-{method}"})


def _limits(allowance: Allowance) -> Iterable[ET.Element]:
    def pair(tag: str, usual: int, hard: int, unit: Mapping[str, str] | None = None) -> ET.Element:
        return element(tag, children=[element("default", unit, text=str(usual)), element("hard", unit, text=str(hard))])

    yield pair("retentionPeriod", round(allowance.keep.total_seconds()), round(allowance.most_keep.total_seconds()))
    yield pair("executionDuration", round(allowance.run.total_seconds()), round(allowance.run.total_seconds()))
    yield pair("outputLimit", allowance.rows, allowance.most_rows, {"unit": "row"})
    yield pair("uploadLimit", allowance.upload_bytes, allowance.upload_bytes, {"unit": "byte"})


def scs_capabilities(address: str, table: Table, most_rows: int) -> ET.Element:
    """Return what the cone search of one table can do."""
    namespaces = {**_CAPABILITIES, "xmlns:cs": "http://www.ivoa.net/xml/ConeSearch/v1.0"}
    interface = element(
        "interface",
        {"xsi:type": "vs:ParamHTTP", "role": "std", "version": "1.03"},
        [element("accessURL", {"use": "base"}, text=address), element("queryType", text="GET")],
    )
    query = element("testQuery", children=[element("ra", text="0"), element("dec", text="0"), element("sr", text="0.01")])
    told = [element("maxSR", text="180"), element("maxRecords", text=str(most_rows)), element("verbosity", text="true"), query]
    search = {"standardID": CONE_SEARCH, "xsi:type": "cs:ConeSearch"}
    described = element("description", text=table.title or table.full_name)
    parts = [
        element("capability", search, [described, interface, *told]),
        _plain("ivo://ivoa.net/std/VOSI#capabilities", f"{address}/capabilities"),
    ]
    return element("vosi:capabilities", namespaces, parts)


def availability(up_since: datetime, state: State) -> ET.Element:
    """Return whether queries can be answered now."""
    told = [
        element("vosi:available", text="false" if state.trouble else "true"),
        element("vosi:upSince", text=f"{up_since:%Y-%m-%dT%H:%M:%SZ}"),
        *(element("vosi:note", text=said) for said in (state.trouble, state.note) if said),
    ]
    return element("vosi:availability", _AVAILABILITY, told)


def tableset(catalogue: Catalogue, detailed: bool) -> ET.Element:
    """Return every table of a catalogue, with its columns where they are asked for; an announced schema has none."""
    described = catalogue.schemas if isinstance(catalogue, SeenCatalogue) else {}
    schemas: dict[str, list[Table]] = {name: [] for name in described}
    for table in catalogue:
        schemas.setdefault(table.schema, []).append(table)
    return element(
        "vosi:tableset",
        _TABLES,
        [
            element(
                "schema",
                children=[
                    element("name", text=name),
                    optional("description", described.get(name)),
                    *(_table("table", table, detailed) for table in tables),
                ],
            )
            for name, tables in sorted(schemas.items())
        ],
    )


def one_table(table: Table) -> ET.Element:
    """Return one table with its columns."""
    return _table("vosi:table", table, detailed=True, attributes=_TABLES)


def _table(tag: str, table: Table, detailed: bool, attributes: Mapping[str, str] | None = None) -> ET.Element:
    told = [
        element("name", text=f"{delimited(table.schema)}.{delimited(table.name)}"),
        optional("title", table.title),
        optional("description", table.description),
        optional("utype", table.utype),
    ]
    columns = [_column(column) for column in table.columns] if detailed else []
    keys = _keys(table) if detailed else []
    return element(tag, {"type": "base_table", **(attributes or {})}, [*told, *columns, *keys])


def _keys(table: Table) -> list[ET.Element]:
    """Return what refers to other tables: TAP_SCHEMA's own keys are the only ones that are known."""
    if table.schema != tap_schema.SCHEMA:
        return []
    found = []
    for source, column, target, target_column in tap_schema.KEYS:
        if source == table.name:
            pair = element("fkColumn", children=[element("fromColumn", text=column), element("targetColumn", text=target_column)])
            found.append(element("foreignKey", children=[element("targetTable", text=f"{tap_schema.SCHEMA}.{target}"), pair]))
    return found


def _column(column: Column) -> ET.Element:
    kind = {"xsi:type": "vs:VOTableType"}
    if column.arraysize:
        kind["arraysize"] = column.arraysize
    if column.xtype:
        kind["extendedType"] = column.xtype
    flags = [name for name, set_ in (("indexed", column.indexed), ("principal", column.principal)) if set_]
    return element(
        "column",
        {"std": "true"} if column.std else {},
        [
            element("name", text=delimited(column.name)),
            optional("description", column.description),
            optional("unit", column.unit),
            optional("ucd", column.ucd),
            optional("utype", column.utype),
            element("dataType", kind, text=column.datatype.value),
            *(element("flag", text=flag) for flag in flags),
        ],
    )
