"""The default platform file is right, names what the recipe makes, and is dated at the first start."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bowerbird_config.access import Action, ReleaseRef, decide
from bowerbird_config.identity import ANONYMOUS, Identity
from bowerbird_config.load import load
from bowerbird_config.platform import Platform
from bowerbird_config.teams import memberships
from demo_releases.errors import BadInput
from demo_releases.platform_file import MARK, a_year_after, copy_dated, dated
from demo_releases.releases import RELEASES

from tests.recipe.conftest import BUILD, ROOT

DEFAULT = ROOT / "config/default/platform.yaml"
SET_UP = datetime(2026, 11, 24, 13, 14, 15, tzinfo=UTC)
A478 = ReleaseRef("a478", "ifs-dr1")


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load(DEFAULT)


def identity(platform: Platform, account: str) -> Identity:
    assert platform.sign_on.demo is not None
    groups = platform.sign_on.demo.accounts[account].groups
    return Identity(account, memberships(platform.teams, account, groups), admin=account in platform.sign_on.admins)


def test_platform_and_recipe_name_the_same_releases(platform: Platform) -> None:
    named = {f"{collection}/{release}" for collection, known in platform.collections.items() for release in known.releases}
    assert named == {str(release) for release in RELEASES}


def test_every_release_says_title_terms_citation_and_source(platform: Platform) -> None:
    for collection in platform.collections.values():
        assert collection.contact
        for release in collection.releases.values():
            assert all((release.title, release.description, release.cite, release.licence, release.source))


def test_titles_are_those_of_the_attribution_files(platform: Platform) -> None:
    for release in RELEASES:
        assert platform.collections[release.collection].releases[release.name].title == release.title


@pytest.mark.parametrize(("account", "allowed"), [("researcher", True), ("owner", True), ("visitor", False)])
def test_proprietary_release_is_read_by_its_team_alone(platform: Platform, account: str, allowed: bool) -> None:
    assert decide(platform, identity(platform, account), Action.READ, A478, SET_UP).allowed is allowed


def test_visitor_is_told_until_when_and_whom_to_ask(platform: Platform) -> None:
    decision = decide(platform, identity(platform, "visitor"), Action.READ, A478, SET_UP)
    assert not decision.hidden
    assert "2027-12-01" in decision.sentence
    assert "the owner of the team Craft" in decision.sentence + decision.grantor


def test_everybody_reads_it_from_its_date_on(platform: Platform) -> None:
    public_on = platform.collections["a478"].releases["ifs-dr1"].public_on
    assert public_on is not None
    assert decide(platform, ANONYMOUS, Action.READ, A478, public_on).allowed


def test_public_releases_are_public(platform: Platform) -> None:
    for release in RELEASES:
        if release.collection != "a478":
            assert decide(platform, ANONYMOUS, Action.READ, ReleaseRef(release.collection, release.name), SET_UP).allowed


def test_pretence_is_said_where_the_release_is_described(platform: Platform) -> None:
    assert "pretended" in platform.collections["a478"].releases["ifs-dr1"].description
    (release,) = (release for release in RELEASES if release.collection == "a478")
    assert any("pretended" in credit.licence for credit in release.credits)


def test_every_profile_has_someone_to_spawn_it_and_all_but_esos_the_environment_that_is_installed(platform: Platform) -> None:
    for name, profile in platform.profiles.items():
        assert profile.environment == ("eso" if name == "eso-uves" else "lab")
        assert profile.teams == "everyone" or set(profile.teams) <= set(platform.teams)


def test_copy_is_dated_a_year_on_and_is_otherwise_the_same(tmp_path: Path) -> None:
    assert copy_dated(DEFAULT, tmp_path / "platform.yaml", SET_UP)
    before, after = DEFAULT.read_text().splitlines(), (tmp_path / "platform.yaml").read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new.strip() for _, new in changed] == [f"public_on: 2027-11-24T00:00:00Z {MARK}"]
    release = load(tmp_path / "platform.yaml").collections["a478"].releases["ifs-dr1"]
    assert release.public_on == datetime(2027, 11, 24, tzinfo=UTC)


def test_copy_that_an_admin_edited_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "platform.yaml"
    target.write_text("mine")
    assert not copy_dated(DEFAULT, target, SET_UP)
    assert target.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [target]


def test_year_after_the_29th_of_february_begins_in_march() -> None:
    assert a_year_after(datetime(2028, 2, 29, 12, tzinfo=UTC)) == datetime(2029, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["name: x\n", f"public_on: 2027-01-01T00:00:00Z {MARK}\n" * 2])
def test_file_without_exactly_one_marked_date_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="it needs exactly one"):
        dated(text, SET_UP)


def run_dating(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-S", str(BUILD), *arguments], capture_output=True, text=True, check=False, timeout=30)


def test_platform_file_is_dated_by_a_python_without_numpy(tmp_path: Path) -> None:
    target = tmp_path / "platform.yaml"
    asked = ("--platform-from", str(DEFAULT), "--platform-to", str(target))
    done = run_dating(*asked, "--platform-date", "2030-01-01T00:30:00+02:00")
    assert (done.returncode, done.stderr) == (0, "")
    assert "public_on: 2030-12-31T00:00:00Z" in target.read_text()


def test_date_without_its_utc_offset_is_refused(tmp_path: Path) -> None:
    asked = ("--platform-from", str(DEFAULT), "--platform-to", str(tmp_path / "platform.yaml"))
    done = run_dating(*asked, "--platform-date", "2030-01-01T00:00:00")
    assert done.returncode == 2
    assert "no UTC offset" in done.stderr
