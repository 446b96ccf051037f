"""Tables of a release and limits of queries in the platform file: what is right, and the sentence for what is not."""

from datetime import timedelta
from pathlib import Path

import pytest
from bowerbird_config.identity import ANONYMOUS, Identity
from bowerbird_config.load import ConfigError, load
from bowerbird_config.platform import Platform
from bowerbird_config.tables import schema_name

from tests.support.platforms import described

TABLES = """
        tables:
          stars:
            file: catalogues/stars.fits
            part: STARS
            title: Stars
            metadata: stars.maml
            position: {ra: RA, dec: DEC, epoch: 2016.0, pm_ra: pmra, pm_dec: pmdec}
            columns:
              mag: {unit: mag, ucd: phot.mag, missing: [-99, "n/a"]}
"""
FILE = f"""\
bowerbird: 1
name: Test
contact: help@example.org
sign_on:
  cas: {{url: https://cas.example.org/cas}}
profiles:
  minimal: {{title: Minimal, memory: 1 GiB, cpu: 1, teams: everyone}}
collections:
  sky:
    title: Sky
    releases:
      dr1:
        title: First
        public: true{TABLES}limits:
  queries:
    rows: 5000000
    anonymous: {{time: 10 s, jobs: 1}}
"""


def loaded(text: str, folder: Path) -> Platform:
    file = folder / "platform.yaml"
    file.write_text(text)
    return load(file)


def test_tables_and_limits_are_read(tmp_path: Path) -> None:
    platform = loaded(FILE, tmp_path)
    table = platform.collections["sky"].releases["dr1"].tables["stars"]
    assert (table.file, table.part, table.metadata) == ("catalogues/stars.fits", "STARS", "stars.maml")
    assert table.position is not None
    assert (table.position.frame, table.position.epoch) == ("ICRS", 2016.0)
    assert table.columns["mag"].missing[0] == -99
    queries = platform.limits.queries
    assert queries.of(Identity("ann")).rows == 5_000_000
    assert queries.of(ANONYMOUS).time == timedelta(seconds=10)
    assert queries.of(ANONYMOUS).jobs == 1


def test_the_hub_hands_over_what_it_read(tmp_path: Path) -> None:
    platform = loaded(FILE, tmp_path)
    assert Platform.model_validate_json(platform.model_dump_json()) == platform


def test_anonymous_people_may_less_by_default() -> None:
    queries = Platform.model_validate(described()).limits.queries
    assert queries.of(ANONYMOUS).rows < queries.of(Identity("ann")).rows
    assert queries.of(ANONYMOUS).time < queries.of(Identity("ann")).time


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("stars:\n", "gaia-stars:\n", "'gaia-stars' cannot be the name of a table"),
        ("catalogues/stars.fits", "../dr2/stars.fits", "'../dr2/stars.fits' is not a file inside the release"),
        ("stars.maml", "/etc/stars.maml", "is a path of one machine"),
        ("epoch: 2016.0, ", "", "proper motions need the time at which the positions hold; write 'epoch'"),
        (", pm_dec: pmdec", "", "write both 'pm_ra' and 'pm_dec', or none"),
        ("{ra: RA,", "{ra: _healpix,", "'_healpix' cannot be the name of a column"),
        ("unit: mag", "units: mag", "unit"),
        ("rows: 5000000", "rows: 5", "'default_rows' 100000 is more than 'rows' 5"),
        ("rows: 5000000", "rows: many", "limits.queries.rows"),
        ("anonymous: {time: 10 s", "anonymous: {time: 10", "is not a quantity with a unit"),
    ],
)
def test_each_mistake_gets_its_sentence(written: str, instead: str, said: str, tmp_path: Path) -> None:
    assert written in FILE
    with pytest.raises(ConfigError) as error:
        loaded(FILE.replace(written, instead), tmp_path)
    assert said in str(error.value)


@pytest.mark.parametrize(("one", "other"), [(("a_b", "c"), ("a", "b_c")), (("a-b", "c"), ("a_b", "c"))])
def test_two_releases_cannot_share_one_schema(one: tuple[str, str], other: tuple[str, str]) -> None:
    releases = {name: {"title": name, "releases": {release: {"title": "First", "public": True}}} for name, release in (one, other)}
    with pytest.raises(ValueError, match=f"would both have '{schema_name(*one)}' as their schema of tables; rename one of them"):
        Platform.model_validate(described(collections=releases))


@pytest.mark.parametrize("release", ["schema", "upload"])
def test_no_release_takes_a_schema_of_the_standards(release: str) -> None:
    collections = {"tap": {"title": "Tap", "releases": {release: {"title": "First", "public": True}}}}
    with pytest.raises(ValueError, match=f"'tap_{release}' as its schema of tables, which is a standard's; rename it"):
        Platform.model_validate(described(collections=collections))
