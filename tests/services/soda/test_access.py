"""Who gets which pixels: the decision of the release, in the same second, and IDs that lead nowhere."""

import csv
import io
from typing import Any

import bowerbird
import httpx
import pytest
from bowerbird import pieces
from bowerbird_services.store.dids import DID

from tests.services.gallery import Gallery, gallery_platform, image, ingest
from tests.services.soda.calls import CIRCLE, M13, NEXT, SECRET, STRANGER, cut, hdus, refused
from tests.services.test_dali import MEMBER
from tests.services.waiting import until


@pytest.mark.parametrize(
    "did",
    ["", "m13.fits", "/etc/passwd",
     M13 + "x", M13.replace("dr1", "dr9"), M13.replace("x-bowerbird", "other"),
     M13.replace("m13", "../dr2/secret"),
     M13.replace("m13", "%2e%2e/dr2/secret"), M13.replace("m13.fits", "m13.fits%00"), M13.replace("demo/dr1", "demo/dr1/../dr2"),
     "ivo://x-bowerbird/demo/dr1?" + "a/" * 9000, str(DID("demo", "dr2", "m13.fits")), str(DID("demo", "dr1", "secret.fits")),
     str(DID("demo", "dr1", "notes.txt"))],
)  # fmt: skip
def test_no_id_leads_to_anything_but_a_product_that_is_yours(client: httpx.Client, did: str) -> None:
    answer = cut(client, did, CIRCLE=CIRCLE)
    refused(answer, 404 if did else 400, "UsageError")
    if did:
        assert answer.text == cut(client, SECRET, CIRCLE=CIRCLE).text, "a hidden one answers as one that is not there"


def test_pixels_are_for_whom_the_release_is(client: httpx.Client) -> None:
    refused(cut(client, SECRET, CIRCLE=CIRCLE, headers=STRANGER), 404, "UsageError")
    mine = cut(client, SECRET, CIRCLE=CIRCLE, headers=MEMBER)
    assert hdus(mine)[0].shape == (10, 10)
    assert mine.headers["cache-control"] == "private, no-store"
    assert "access-control-allow-origin" not in mine.headers
    refused(cut(client, NEXT, CIRCLE=CIRCLE), 403, "AuthorizationError", "2100-01-01", "craft@example.org")
    assert cut(client, NEXT, CIRCLE=CIRCLE, headers=MEMBER).status_code == 200
    bad = cut(client, CIRCLE=CIRCLE, headers={"Authorization": "Bearer nonsense"})
    refused(bad, 401, "AuthenticationError")
    assert "www-authenticate" in bad.headers


def test_release_that_is_closed_is_closed_in_the_same_second(own: Gallery) -> None:
    with httpx.Client(base_url=own.address, timeout=30) as client:
        assert cut(client, CIRCLE=CIRCLE).status_code == 200
        closed = gallery_platform(dr1={"public": False, "teams": ["craft"], "announced": True, "public_on": "2100-01-01T00:00:00Z"})
        own.known.records.take({"kind": "platform", "platform": closed.model_dump(mode="json")})
        refused(cut(client, CIRCLE=CIRCLE), 403, "AuthorizationError", "2100-01-01")


def searched(client: httpx.Client) -> str:
    """The ID that SIA has for the image around M 13, of whose pixels a piece was cut just now."""
    told = client.get("/sia2/query", params={"POS": "CIRCLE 250.4 36.46 0.01", "RESPONSEFORMAT": "csv"}).text
    (row,) = csv.DictReader(io.StringIO(told))
    for _ in range(3):
        assert cut(client, row["obs_publisher_did"], CIRCLE=CIRCLE).status_code == 200
    return row["obs_publisher_did"]


def test_release_that_is_taken_back_between_a_search_and_a_cut_is_as_absent_as_any(own: Gallery) -> None:
    with httpx.Client(base_url=own.address, timeout=30) as client:
        did = searched(client)
        later = gallery_platform().model_dump(mode="json")
        later["collections"]["demo"]["releases"]["dr4"] = later["collections"]["demo"]["releases"].pop("dr1")
        own.known.records.take({"kind": "platform", "platform": later})
        refused(cut(client, did, CIRCLE=CIRCLE), 404, "UsageError", "no product of that ID")
        assert "NotFoundFault" in client.get("/datalink/links", params={"ID": did}).text
        assert did not in client.get("/sia2/query", params={"RESPONSEFORMAT": "csv"}).text


def test_release_that_is_laid_anew_between_a_search_and_a_cut_gives_the_pixels_of_one_of_both(own: Gallery) -> None:
    with httpx.Client(base_url=own.address, timeout=30) as client:
        did = searched(client)
        first, release = cut(client, did, CIRCLE=CIRCLE), own.releases / "demo" / "dr1"
        image(own.releases.parent / "later" / "m13.fits", 250.4, 36.46, pixels=80)
        release.rename(own.releases.parent / "superseded")
        (own.releases.parent / "later").rename(release)
        ingest(own.releases, own.releases.parent / "tables")
        second = bowerbird.cutout(release / "m13.fits", (250.4, 36.46), "0.096 deg", as_bytes=True)
        assert second != first.content

        def is_new() -> bool:
            answer = cut(client, did, CIRCLE=CIRCLE, headers={"If-None-Match": "nothing"})
            near = cut(client, did, CIRCLE=CIRCLE)
            for one in (answer, near):
                assert one.content in {first.content, second}
                assert (one.headers["etag"] == first.headers["etag"]) == (one.content == first.content)
            assert answer.content == second, "who asks with an ETag asks what is there now"
            return near.content == second

        until(is_new)
        assert client.get("/products/demo/dr1/m13.fits").content == (release / "m13.fits").read_bytes()
        refused(cut(client, str(DID("demo", "dr1", "cube.fits")), CIRCLE="53.1 -27.8 0.05"), 404, "UsageError", "no product of that ID")


def test_release_that_is_closed_while_its_pixels_are_read_is_not_sent(own: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = gallery_platform(dr1={"public": False, "teams": ["craft"]})
    read = pieces.Pieces.read

    def closing(self: pieces.Pieces, product: Any) -> Any:
        own.known.records.take({"kind": "platform", "platform": closed.model_dump(mode="json")})
        return read(self, product)

    monkeypatch.setattr(pieces.Pieces, "read", closing)
    with httpx.Client(base_url=own.address, timeout=30) as client:
        refused(cut(client, CIRCLE=CIRCLE), 404, "UsageError")
