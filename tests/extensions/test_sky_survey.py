"""A map of the sky knows by itself which release's images lie behind its sources."""

import bowerbird
import pytest
from astropy.table import Table
from bowerbird.lab.sky_survey import schema, survey_of
from bowerbird_config.tables import schema_name

SERVICE = "https://platform.example/services/vo/tap"
TOLD = {"BOWERBIRD_TAP_URL": SERVICE}


def sources(query: str, service: str = SERVICE) -> Table:
    table = Table({"ra": [39.97], "dec": [-1.58]})
    table.meta.update(service=service, query=query)
    return table[:1]


@pytest.mark.parametrize(
    ("query", "survey"),
    [
        ("SELECT * FROM a370_dr1.sources", "a370/dr1"),
        ('SELECT * FROM A370_DR1."sources" ORDER BY flux', "a370/dr1"),
        ("SELECT s.ra FROM a478_ifs_dr1.sources AS s", "a478/ifs-dr1"),
        ("SELECT * FROM a370_dr1.sources JOIN hdfs_dr1.sources USING (id)", ""),
        ("SELECT * FROM ngc_dr1x.sources WHERE name = 'a370_dr1.sources'", ""),
        ("SELECT * FROM ivoa.obscore -- a370_dr1.sources", ""),
        ("", ""),
    ],
)
def test_it_is_that_of_the_one_release_whose_tables_were_asked(view, query, survey) -> None:
    assert survey_of(sources(query), None, TOLD) == survey


def test_another_services_tables_of_that_name_are_none_of_ours(view) -> None:
    query = "SELECT * FROM a370_dr1.sources"
    assert survey_of(sources(query, "https://elsewhere.example/tap"), None, TOLD) == ""
    assert survey_of(sources(query), None, {}) == ""


def test_it_is_that_of_the_image_first_and_a_survey_that_is_given_before_all(view) -> None:
    image = view / "releases/a370/dr1/a370_i.fits"
    hubble = sources("SELECT * FROM hdfs_dr1.sources")
    assert survey_of(hubble, image, TOLD) == "a370/dr1"
    assert survey_of(hubble, view / "teams/craft/own.fits", TOLD) == "hdfs/dr1"
    shown = bowerbird.skymap(hubble, image=image)
    assert (shown.survey, shown.survey_asked) == ("a370/dr1", False)
    assert "survey" not in shown.python()
    given = bowerbird.skymap(hubble, image=image, survey="hdfs/dr1")
    assert (given.survey, given.survey_asked) == ("hdfs/dr1", True)
    assert bowerbird.skymap(hubble, image=image, survey="").survey == ""


def test_without_a_view_it_is_none(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BOWERBIRD_DATA", str(tmp_path))
    assert survey_of(sources("SELECT * FROM a370_dr1.sources"), None, TOLD) == ""


@pytest.mark.parametrize("name", [("a370", "dr1"), ("a478", "ifs-dr1"), ("large-survey", "dr-2")])
def test_a_schema_is_called_as_the_platform_calls_it(name) -> None:
    assert schema({"collection": name[0], "release": name[1]}) == schema_name(*name)


def test_a_release_that_is_not_there_or_closed_is_said_at_once(other_view) -> None:
    places = sources("SELECT * FROM a370_dr1.sources")
    with pytest.raises(KeyError, match=r"no release .nope/dr1. in your view; there are: .*a370/dr1"):
        bowerbird.skymap(places, survey="nope/dr1")
    with pytest.raises(KeyError, match="no release 'nope/dr1' in your view"):
        bowerbird.stamps(places, "5 arcsec", "nope/dr1")
    with pytest.raises(KeyError, match="no release 'nope/dr1' in your view"):
        bowerbird.cutouts(places, "5 arcsec", "nope/dr1")
    with pytest.raises(PermissionError, match="a478/ifs-dr1 is refused"):
        bowerbird.skymap(places, survey="a478/ifs-dr1")
    # What is written as a file is, has its reason in each row, as a file that is lost has.
    assert "no such file" in bowerbird.cutouts(places, "5 arcsec", "lost/image.fits")["reason"][0]
