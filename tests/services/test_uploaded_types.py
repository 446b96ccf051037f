"""Every type of VOTable 1.4 may be uploaded, in every serialization and version, and comes back as it was (TAP 1.1, section 2.7.6)."""

# ruff: noqa: S608, E501, RUF100  names of our own columns

import base64
import gzip
import io
from collections.abc import Callable, Iterator

import httpx
import numpy as np
import pytest
from astropy.io.votable import parse
from astropy.io.votable.tree import TableElement

from tests.services.people import identities
from tests.services.real import real_service

NAMESPACES = {version: f"http://www.ivoa.net/xml/VOTable/v{min(version, '1.3')}" for version in ("1.1", "1.2", "1.3", "1.4", "1.5")}
# Attributes of a FIELD, and cells as TABLEDATA has them: what comes back means the same.
KINDS: dict[str, tuple[str, list[str]]] = {
    "boolean": ('datatype="boolean"', ["true", "F", "?"]),
    "bit": ('datatype="bit"', ["1", "0"]),
    "unsignedByte": ('datatype="unsignedByte"', ["0", "255", "0x7f"]),
    "short": ('datatype="short"', ["-32768", "32767", "0x10"]),
    "int": ('datatype="int"', ["-2147483648", "2147483647", ""]),
    "long": ('datatype="long"', ["-9223372036854775808", "9223372036854775807", ""]),
    "float": ('datatype="float"', ["1.5", "NaN", "-Inf", ""]),
    "double": ('datatype="double"', ["1e300", "+Inf", "-Inf", "0.1"]),
    "char": ('datatype="char" arraysize="*"', ["a", "", "it's \"quoted\" &amp; &lt;tagged&gt;"]),
    "one char": ('datatype="char"', ["x", "y"]),
    "fixed char": ('datatype="char" arraysize="5"', ["abcde", "ab"]),
    "bounded char": ('datatype="char" arraysize="5*"', ["abcde", "ab"]),
    "unicode": ('datatype="unicodeChar" arraysize="*"', ["α Cen", "日本", ""]),
    "timestamp": ('datatype="char" arraysize="*" xtype="timestamp"', ["2000-01-01T12:00:00", "2001-02-03T04:05:06.789", "2002-03-04"]),
    "point": ('datatype="double" arraysize="2" xtype="point"', ["10 20", "359.5 -90", ""]),
    "circle": ('datatype="double" arraysize="3" xtype="circle"', ["10 20 1", "0 0 180"]),
    "polygon": ('datatype="double" arraysize="*" xtype="polygon"', ["0 0 1 0 1 1", "0 0 1 0 1 1 0 1"]),
    "interval": ('datatype="double" arraysize="2" xtype="interval"', ["1 2", "-Inf 5"]),
    "ints": ('datatype="int" arraysize="3"', ["1 2 3", "-1 0 1", ""]),
    "open ints": ('datatype="long" arraysize="*"', ["1 2 3", "9007199254740993", ""]),
    "bounded floats": ('datatype="float" arraysize="4*"', ["1 2", "1 NaN 3 4"]),
    "a plane": ('datatype="short" arraysize="2x3"', ["1 2 3 4 5 6", "6 5 4 3 2 1"]),
    "a null of its own": ('datatype="int"><VALUES null="-99"/><DESCRIPTION>d</DESCRIPTION></FIELD><FIELD name="y" datatype="int"', ["-99", "5"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with real_service(tmp_path_factory.mktemp("real"), identities()) as real, httpx.Client(base_url=real.address, timeout=30) as client:
        yield client


EXTREMES = {"unsignedByte", "short", "int", "long"}


def document(attributes: str, cells: list[str], version: str = "1.4") -> bytes:
    rows = "".join(f"<TR>{'<TD>' + cell + '</TD>'}{'<TD>1</TD>' if 'name=' in attributes else ''}</TR>" for cell in cells)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><VOTABLE version="{version}" xmlns="{NAMESPACES[version]}"><RESOURCE><TABLE>'
        f'<FIELD name="x" {attributes}/><DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>'
    ).encode()


def first(content: bytes) -> TableElement:
    return parse(io.BytesIO(content)).get_first_table()


def back(client: httpx.Client, content: bytes, query: str = "SELECT * FROM TAP_UPLOAD.t", form: str = "votable") -> httpx.Response:
    asked = {"LANG": "ADQL", "QUERY": query, "UPLOAD": "t,param:f", "RESPONSEFORMAT": form}
    return client.post("/tap/sync", data=asked, files={"f": ("f.xml", content)})


def assert_same(found: TableElement, sent: TableElement) -> None:
    assert [field.name for field in found.fields] == [field.name for field in sent.fields]
    for field, original in zip(found.fields, sent.fields, strict=True):
        assert field.xtype == original.xtype
        if original.datatype != "bit":  # astropy writes booleans so, and they come back as what they are
            assert field.datatype == original.datatype
        here, there = found.array[field.ID], sent.array[original.ID]
        for one, other in zip(here, there, strict=True):
            masked = np.all(np.ma.getmaskarray(other)) if other is not np.ma.masked else True
            if masked:
                assert one is np.ma.masked or np.all(np.ma.getmaskarray(one)) or one == ""
            else:
                np.testing.assert_array_equal(np.ma.asarray(one).reshape(-1), np.ma.asarray(other).reshape(-1))


@pytest.mark.parametrize("form", ["votable", "votable/b", "votable/td"])
@pytest.mark.parametrize("kind", KINDS)
def test_values_of_a_type_come_back_as_they_were(client: httpx.Client, kind: str, form: str) -> None:
    sent = document(*KINDS[kind])
    answer = back(client, sent, form=form)
    if form == "votable/b" and kind in EXTREMES:
        # BINARY has no flags: one value of each integer stands for what is missing, and is refused in words where it is meant.
        assert 'name="QUERY_STATUS" value="ERROR"' in answer.text
        assert "declares to be null; ask for another format" in answer.text
        return
    assert answer.status_code == 200, answer.text
    assert_same(first(answer.content), first(sent))


@pytest.mark.parametrize("form", ["csv", "tsv", "fits", "arrow", "parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_has_a_way_to_write_a_type(client: httpx.Client, kind: str, form: str) -> None:
    answer = back(client, document(*KINDS[kind]), form=form)
    assert answer.status_code == 200, answer.text
    if form == "tsv":
        assert {line.count("\t") for line in answer.text.splitlines()} <= {0, 1}


@pytest.mark.parametrize("version", NAMESPACES)
def test_every_version_of_votable_is_read(client: httpx.Client, version: str) -> None:
    answer = back(client, document('datatype="int"', ["7"], version), form="csv")
    assert answer.text.split() == ['"x"', "7"]


def as_binary(form: str) -> Callable[[list[int]], bytes]:
    def made(values: list[int]) -> bytes:
        flag = b"\0" if form == "BINARY2" else b""
        return b"".join(flag + value.to_bytes(4, "big", signed=True) for value in values)

    return made


@pytest.mark.parametrize("form", ["BINARY", "BINARY2"])
def test_streams_are_read_as_they_are_and_packed(client: httpx.Client, form: str) -> None:
    for packed in (False, True):
        stream = as_binary(form)([1, -2, 300])
        words = 'encoding="base64"'
        text = base64.b64encode(gzip.compress(stream) if packed else stream).decode()
        sent = (
            f'<VOTABLE version="1.4" xmlns="{NAMESPACES["1.4"]}"><RESOURCE><TABLE><FIELD name="x" datatype="int"/><DATA><{form}>'
            f"<STREAM {words}>{text}</STREAM></{form}></DATA></TABLE></RESOURCE></VOTABLE>"
        )
        answer = back(client, sent.encode(), form="csv")
        if packed:
            assert answer.status_code == 400, "nothing says that it is packed"
        else:
            assert answer.text.split() == ['"x"', "1", "-2", "300"]


@pytest.mark.parametrize("stream", ['href="http://127.0.0.1:9/x"', 'href="file:///etc/passwd"', 'href="x" actuate="onLoad"'])
def test_a_stream_that_lies_elsewhere_is_not_fetched(client: httpx.Client, stream: str) -> None:
    sent = (
        f'<VOTABLE version="1.4" xmlns="{NAMESPACES["1.4"]}"><RESOURCE><TABLE><FIELD name="x" datatype="int"/><DATA><BINARY2>'
        f"<STREAM {stream}/></BINARY2></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    answer = back(client, sent.encode())
    assert answer.status_code == 400
    assert "root:" not in answer.text


@pytest.mark.parametrize("name", ["a b", "2mass", "select", "J-K", 'say "hi"', "Σ", "_x", "size", "x.y", "TOP"])
def test_a_column_may_have_any_name(client: httpx.Client, name: str) -> None:
    written = name.replace('"', "&quot;")
    sent = document('datatype="int"', ["7"]).replace(b'name="x"', f'name="{written}"'.encode())
    delimited = name.replace('"', '""')
    for query in (f'SELECT "{delimited}" FROM TAP_UPLOAD.t', "SELECT * FROM TAP_UPLOAD.t"):
        answer = back(client, sent, query)
        assert answer.status_code == 200, answer.text
        assert [field.name for field in first(answer.content).fields] == [name]


def test_what_is_said_of_a_column_comes_back(client: httpx.Client) -> None:
    said = 'datatype="double" unit="mas/yr" ucd="pos.pm;pos.eq.ra" utype="a:b.c"><DESCRIPTION>proper &lt;motion&gt;</DESCRIPTION></FIELD'
    sent = document('datatype="double"', ["1.5"]).replace(b'datatype="double"/', said.encode())
    [field] = first(back(client, sent).content).fields
    assert (field.unit.to_string("vounit"), field.ucd, field.utype, field.description) == (
        "mas.yr**-1",
        "pos.pm;pos.eq.ra",
        "a:b.c",
        "proper <motion>",
    )


def test_two_uploads_are_two_tables_and_in_no_schema(client: httpx.Client) -> None:
    asked = {"LANG": "ADQL", "QUERY": "SELECT a.x AS one, b.x AS two FROM TAP_UPLOAD.a AS a, TAP_UPLOAD.B AS b", "RESPONSEFORMAT": "csv"}
    files = {name: (name, document('datatype="int"', [value])) for name, value in (("f", "1"), ("g", "2"))}
    both = client.post("/tap/sync", data={**asked, "UPLOAD": "a,param:f;b,param:g"}, files=files)
    assert both.text.split() == ['"one","two"', "1,2"]
    assert "tap_upload" not in client.get("/tap/tables").text.lower()
