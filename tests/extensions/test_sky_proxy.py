"""The surveys behind a map, asked of the platform's real services: with the token of the person's own server, and no other."""

from pathlib import Path

import pytest
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.table_order import TableOrder
from bowerbird_services.ingest.run_hips import run
from bowerbird_services.store import surveys
from playwright.sync_api import expect

from tests.extensions.real_lab import PYTHON, SHOWN_MS, opened, real_lab
from tests.services.gallery import RELEASES, gallery, image
from tests.support.browser import CHROMIUM, WEBGL, chromium, visit
from tests.support.rig import wait_for

CENTRES = dict(zip(RELEASES, (150.0, 20.0, 250.0), strict=True))
# The release is none of those that lie below the lab's `/data`.
WIDE = """
import bowerbird
view = bowerbird.skymap([(20.0, 2.2)], survey="", width="10 deg")
view.survey = "demo/dr2"
view
"""


def fields(releases: Path) -> None:
    """Lay one image into each release."""
    for release, ra in CENTRES.items():
        image(releases / "demo" / release / "field.fits", ra, 2.2)


def draw(place: Path) -> None:
    """Make the surveys of what lies in the releases."""
    releases = [{"collection": "demo", "release": release, "directory": str(place / "releases/demo" / release)} for release in CENTRES]
    assert run(TableOrder.model_validate({"releases": releases}), place / "surveys", print) == 0


@pytest.mark.skipif(not PYTHON.exists(), reason="needs the lab environment: ./bowerbird test makes it")
def test_a_teams_survey_is_passed_on_to_its_member_and_to_nobody_who_is_none_any_more(tmp_path) -> None:
    with gallery(tmp_path / "platform", before=fields) as served:
        draw(tmp_path / "platform")
        with real_lab(tmp_path, f"{served.address}/tap", "token-of-member") as lab:
            hidden, announced = "bowerbird/hips/demo/dr2", "bowerbird/hips/demo/dr3"
            assert "ivo://x-bowerbird/demo/dr2/hips" in lab.get(f"{hidden}/properties")[1]
            folder = surveys.folder_of(tmp_path / "platform/surveys", "demo", "dr2")
            for kind in ("png", "fits"):
                (tile, *_) = sorted(folder.glob(f"*/Norder3/Dir*/Npix*.{kind}"))
                assert lab.content(f"{hidden}/{'/'.join(tile.parts[-3:])}")[:2] == (200, tile.read_bytes())
            assert lab.content(f"{hidden}/Norder3/Allsky.png")[1][:4] == b"\x89PNG"
            assert lab.content(f"{hidden}/Norder3/Allsky.fits")[1] == next(folder.glob("*/Norder3/Allsky.fits")).read_bytes()
            assert lab.content(f"{hidden}/Moc.fits")[1][:6] == b"SIMPLE"
            for kind in ("png", "fits"):
                assert lab.get(f"{hidden}/Norder3/Dir0/Npix1.{kind}")[:2] == (204, ""), "empty sky is no error in the browser's console"
            assert lab.get(f"{announced}/properties")[0] == 200

            # Who leaves the team sees in the same second what a stranger does, in the platform's words.
            left = IdentityRecord(1, "member", 600_000, 600_000, ())
            served.known.records.take({"kind": "identity", "record": left.to_json()})
            for path in ("properties", "Moc.fits", "Norder3/Allsky.png", "Norder3/Dir0/Npix1.png"):
                status, text, _ = lab.get(f"{hidden}/{path}")
                nothing = (204, "") if "Npix" in path else (404, lab.get("bowerbird/hips/demo/none/properties")[1])
                assert (status, text) == nothing == lab.get(f"bowerbird/hips/demo/none/{path}")[:2]
                status, text, _ = lab.get(f"{announced}/{path}")
                assert (status, "until 2100-01-01" in text, "<" in text) == (403, True, False), "a sentence for who looks at the map"
            assert lab.get("bowerbird/hips/demo/dr1/properties")[0] == 200, "what is public stays open"


@pytest.mark.browser
@pytest.mark.timeout(180)
@pytest.mark.skipif(not PYTHON.exists(), reason="needs the lab environment: ./bowerbird test makes it")
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_a_map_of_more_than_its_survey_covers_brings_no_error_to_the_console(tmp_path) -> None:
    tiles: list[tuple[int, str]] = []
    with gallery(tmp_path / "platform", before=fields) as served:
        draw(tmp_path / "platform")
        with (
            real_lab(tmp_path, f"{served.address}/tap", "token-of-member") as lab,
            chromium(*WEBGL) as browser,
            visit(browser, tmp_path) as seen,
        ):
            seen.page.on("response", lambda answer: tiles.append((answer.status, answer.url)) if "/Npix" in answer.url else None)
            opened(lab, seen.page, "map", WIDE)
            expect(seen.page.locator(".bb-sky")).to_have_attribute("data-ready", "true", timeout=SHOWN_MS)
            # What the browser tells comes while the page is spoken to.
            wait_for(lambda: seen.page.title() and {200, 204} <= {status for status, _ in tiles})
            assert {status for status, _ in tiles} == {200, 204}
            expect(seen.page.locator(".bb-sky .bb-status")).to_have_text("1 source")
            assert seen.complaints == []
