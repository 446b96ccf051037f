"""Cone searches of any service, and the ways in which they have said that something is wrong."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import bowerbird
import pytest
from bowerbird.vo.scs import Cone, address
from bowerbird.vo.sources import sources

from tests.support.tap_server import Behaviour, Reply, tap_server

ROWS = b"""<?xml version="1.0"?><VOTABLE version="1.1" xmlns="http://www.ivoa.net/xml/VOTable/v1.1"><RESOURCE><TABLE>
<FIELD name="n" ucd="ID_MAIN" datatype="char" arraysize="*"/><FIELD name="x" ucd="POS_EQ_RA_MAIN" datatype="double" unit="deg"/>
<FIELD name="y" ucd="POS_EQ_DEC_MAIN" datatype="double" unit="deg"/>
<DATA><TABLEDATA><TR><TD>one</TD><TD>10.5</TD><TD>-2.5</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""
WRONG = {
    "an INFO below VOTABLE": '<INFO ID="Error" name="Error" value="SR is too large"/>',
    "a PARAM in RESOURCE": '<RESOURCE><PARAM ID="Error" name="Error" datatype="char" arraysize="*" value="SR is too large"/></RESOURCE>',
    "a PARAM in DEFINITIONS": '<DEFINITIONS><PARAM name="Error" datatype="char" arraysize="*" value="SR is too large"/></DEFINITIONS>',
    "an INFO in RESOURCE": '<RESOURCE><INFO name="ERROR" value="SR is too large"/></RESOURCE>',
    "the word of DALI": '<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">SR is too large</INFO></RESOURCE>',
}


@pytest.fixture
def service() -> Iterator[Behaviour]:
    with tap_server() as behaviour:
        behaviour.odd = lambda _: Reply(body=ROWS)
        yield behaviour


def test_a_cone_search_is_asked_in_degrees_and_its_rows_have_positions(service: Behaviour) -> None:
    found = bowerbird.cone("00h42m00s -02d30m00s", "6 arcmin", service=f"{service.url}/scs?cat=2&RA=9&", limit=7)
    assert found["n"].tolist() == ["one"]
    assert (sources(found).at.ra.deg, sources(found).at.dec.deg) == ([10.5], [-2.5])
    (asked,) = service.seen
    said = parse_qs(urlsplit(asked.path).query)
    assert (asked.method, urlsplit(asked.path).path) == ("GET", "/tap/scs")
    assert {name: float(value) for name, (value,) in said.items()} == pytest.approx(
        {"cat": 2, "RA": 10.5, "DEC": -2.5, "SR": 0.1, "MAXREC": 7}
    )


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_a_service_says_is_wrong_is_said(service: Behaviour, wrong: str, status: int) -> None:
    body = f'<VOTABLE version="1.1" xmlns="http://www.ivoa.net/xml/VOTable/v1.1">{wrong}</VOTABLE>'.encode()
    service.odd = lambda _: Reply(status, body=body)
    with pytest.raises(bowerbird.QueryRefused, match=r"says: SR is too large; .*RA=1\.0&DEC=2\.0&SR=3\.0"):
        bowerbird.cone((1, 2), "3 deg", service=service.url)


def test_a_page_in_place_of_rows_is_told(service: Behaviour) -> None:
    service.odd = lambda _: Reply(body=b"<html>Welcome</html>", kind="text/html")
    with pytest.raises(bowerbird.ServiceError, match="a page for people"):
        bowerbird.cone((1, 2), "3 deg", service=service.url)


def test_a_search_that_takes_too_long_is_told(service: Behaviour) -> None:
    service.odd = lambda _: Reply(body=ROWS[:50], stall=True)
    with pytest.raises(bowerbird.ServiceError, match=r"was not done within 0.3 s.*a smaller radius"):
        bowerbird.cone((1, 2), "3 deg", service=service.url, seconds=0.3)


def test_without_table_and_service_both_are_named() -> None:
    with pytest.raises(ValueError, match="the address of a cone search with service="):
        bowerbird.cone((1, 2), "3 deg")


@pytest.mark.parametrize("base", ["http://x/s", "http://x/s?", "http://x/s?a=1", "http://x/s?a=1&"])
def test_a_base_address_may_end_as_services_end_it(base: str) -> None:
    made = address(base, Cone(1, 2, 3))
    assert made.endswith("RA=1&DEC=2&SR=3")
    assert made.startswith("http://x/s?")
    assert ("a=1" in base) == ("a=1&RA" in made)
