"""The surveys behind a map, asked of the platform's real services: with the token of the person's own server, and no other."""

from pathlib import Path

import pytest
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.table_order import TableOrder
from bowerbird_services.ingest.run_hips import run
from bowerbird_services.store import surveys

from tests.extensions.real_lab import PYTHON, real_lab
from tests.services.gallery import RELEASES, gallery, image

CENTRES = dict(zip(RELEASES, (150.0, 20.0, 250.0), strict=True))


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
            status, text, _ = lab.get(f"{hidden}/Norder3/Dir0/Npix1.png")
            assert (status, "no image lies there" in text) == (404, True)
            assert lab.get(f"{announced}/properties")[0] == 200

            # Who leaves the team sees in the same second what a stranger does, in the platform's words.
            left = IdentityRecord(1, "member", 600_000, 600_000, ())
            served.known.records.take({"kind": "identity", "record": left.to_json()})
            for path in ("properties", "Moc.fits", "Norder3/Allsky.png", "Norder3/Dir0/Npix1.png"):
                status, text, _ = lab.get(f"{hidden}/{path}")
                assert (status, text) == (404, lab.get("bowerbird/hips/demo/none/properties")[1])
                status, text, _ = lab.get(f"{announced}/{path}")
                assert (status, "until 2100-01-01" in text, "<" in text) == (403, True, False), "a sentence for who looks at the map"
            assert lab.get("bowerbird/hips/demo/dr1/properties")[0] == 200, "what is public stays open"
