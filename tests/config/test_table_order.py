"""What the ingest of tables is asked to do."""

from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.table_order import order_below, table_order

from tests.support.platforms import described


def test_each_release_is_asked_for_where_it_lies(tmp_path: Path) -> None:
    stars = {"stars": {"file": "stars.csv", "title": "Stars"}}
    releases = {"dr1": {"title": "One", "public": True, "tables": stars}, "dr2": {"title": "Two", "public": True}}
    platform = Platform.model_validate(
        described(collections={"sky": {"title": "Sky", "releases": releases}}, storage={"releases": {"sky/dr2": "/archive/two"}})
    )
    first, second = table_order(platform, Var(tmp_path)).releases
    assert (first.name, first.directory, first.tables["stars"].file) == ("sky/dr1", tmp_path / "releases" / "sky" / "dr1", "stars.csv")
    assert (second.name, second.directory, dict(second.tables)) == ("sky/dr2", Path("/archive/two"), {})
    below = order_below(platform, tmp_path / "seen").releases
    assert [release.directory for release in below] == [tmp_path / "seen" / "sky" / name for name in ("dr1", "dr2")]
