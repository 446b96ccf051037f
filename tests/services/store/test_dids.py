"""Publisher DIDs: one text for each product, and no text that is another's."""

import pytest
from bowerbird_services.store.dids import DID, NoDID
from hypothesis import given
from hypothesis import strategies as st


@given(file=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_a_did_reads_back_as_what_it_names(file: str) -> None:
    did = DID("sky", "dr1", file)
    assert DID.parse(str(did)) == did


def test_a_did_is_spelt_as_identifiers_2_has_it() -> None:
    assert str(DID("sky", "dr1", "images/m 13+.fits")) == "ivo://x-bowerbird/sky/dr1?images/m%2013%2B.fits"
    assert DID.parse("IVO://X-Bowerbird/SKY/DR1?M13.fits") == DID("sky", "dr1", "M13.fits")


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "m13.fits",
        "ivo://x-bowerbird/sky/dr1",
        "ivo://x-bowerbird/sky/dr1?",
        "ivo://x-bowerbird/sky?m13.fits",
        "ivo://x-bowerbird/sky/dr1/dr2?m13.fits",
        "ivo://x-bowerbird//dr1?m13.fits",
        "ivo://other/sky/dr1?m13.fits",
        "ivo://x-bowerbird.evil/sky/dr1?m13.fits",
        "ivo://x-bowerbird/sky/dr1?m13.fits#x",
        "ivo://x-bowerbird/sky/dr1?m13.fits?x",
        "ivo://x-bowerbird/sky/dr1?%2e%2e/m13.fits",
        "ivo://x-bowerbird/sky/dr1?m13%2Efits",
        "ivo://x-bowerbird/sky/dr1?images%2Fm13.fits",
        "ivo://x-bowerbird/sky/dr1?m13.fits\0",
        "ivo://x-bowerbird/sky/dr1?m13.fits\n",
        "ivo://x-bowerbird/sky/dr1?m 13.fits",
        "ivo://x-bowerbird/sky/dr1?%zz",
        " ivo://x-bowerbird/sky/dr1?m13.fits",
        "https://x-bowerbird/sky/dr1?m13.fits",
        "ivo://x-bowerbird/sky/dr1?" + "x" * 20_000,
        "ivo://x-bowerbird/\u017fky/dr1?m13.fits",
    ],
)
def test_no_other_text_is_a_did(forged: str) -> None:
    with pytest.raises(NoDID):
        assert DID.parse(forged).collection == "never"
