"""What a right platform file names and this machine does not have."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bowerbird_config.absent import absences
from bowerbird_config.cli import cli
from bowerbird_config.install import Install
from bowerbird_config.load import load
from click.testing import CliRunner

from tests.config.test_bad_files import GOOD
from tests.support.certificates import certificate

ROOT = Path(__file__).parents[2]
HOST = "data.example.org"


def missing(folder: Path, text: str) -> list[str]:
    """Return what is missing of a file, without the file's name and the remedies."""
    file = folder / "platform.yaml"
    file.write_text(GOOD + text)
    return [
        f"{problem.place.line}: {problem.what}"
        for problem in absences(file, load(file), folder / "releases", Install(ROOT, Path(sys.executable)))
    ]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: None, "is not on this machine: {} does not exist"),
        (lambda place: place.write_text("a file"), "is none: {} is no directory"),
        (lambda place: place.symlink_to(place), "cannot be read: {} (Too many levels of symbolic links)"),
    ],
)
def test_directory_of_a_release_that_is_not_there_is_told_with_its_line(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    place = tmp_path / "dr1"
    make(place)
    assert missing(tmp_path, f"storage: {{releases: {{a478/dr1: {place}}}}}\n") == [
        f"{len(GOOD.splitlines()) + 1}: the directory of release 'a478/dr1' {said.format(place)}"
    ]


def test_directory_of_an_environment_that_is_not_there_is_told(tmp_path: Path) -> None:
    (said,) = missing(tmp_path, "runtime: {environments: {base: /nonexistent/base}}\n")
    assert said.endswith("the directory of environment 'base' is not on this machine: /nonexistent/base does not exist")


def test_what_is_there_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "dr1").mkdir()
    assert missing(tmp_path, f"storage: {{releases: {{a478/dr1: {tmp_path}/dr1}}}}\n") == []


def test_ends_of_links_that_are_not_there_are_told_where_one_can_look(tmp_path: Path) -> None:
    here, other = tmp_path / "releases/a478/dr1", tmp_path / "other"
    for place in (here, other):
        place.mkdir(parents=True)
        (place / "a b.fits").touch()
    (here / "link.fits").symlink_to("a b.fits")
    links = [
        ("a b.fits", "gone.fits"), ("gone.fits", "a b.fits"), ("a b.fits", "link.fits"),
        ("a b.fits", "ivo://X-Bowerbird/a478/dr2?a%20b.fits"), ("a b.fits", "ivo://x-bowerbird/a478/dr2?b.fits"),
        ("a b.fits", "ivo://elsewhere/a478/dr2?b.fits"), ("a b.fits", "ivo://x-bowerbird/a478/dr3?b.fits"),
        ("a b.fits", "ivo://x-bowerbird/a478/away?b.fits"),
    ]  # fmt: skip
    told = "".join(f"          - {{file: {file}, to: '{to}', semantics: auxiliary}}\n" for file, to in links)
    release = "      {0}: {{title: T, public: true}}\n"
    text = f"        links:\n{told}{release.format('dr2')}{release.format('away')}"
    at = GOOD.index("spaces:")
    (tmp_path / "platform.yaml").write_text(GOOD[:at] + text + GOOD[at:] + f"storage: {{releases: {{a478/dr2: {other}}}}}\n")
    found = absences(tmp_path / "platform.yaml", load(tmp_path / "platform.yaml"), tmp_path / "releases", Install(ROOT))
    first = GOOD[:at].count("\n") + 2
    assert [(problem.place.line - first, problem.what.split("a link names ")[1].split(", so")[0]) for problem in found] == [
        (0, "'gone.fits', which is not in release 'a478/dr1'"),
        (1, "'gone.fits', which is not in release 'a478/dr1'"),
        (2, "'link.fits', which is not in release 'a478/dr1'"),
        (4, "'b.fits', which is not in release 'a478/dr2'"),
        (6, "'b.fits', which is not in release 'a478/dr3'"),
    ]


@pytest.mark.parametrize(
    ("names", "unnamed"),
    [
        ((HOST, f"*.{HOST}"), None),
        (("*.example.org", f"*.{HOST}"), None),
        ((HOST,), f"*.{HOST}"),
        ((f"*.{HOST}",), HOST),
        (("hub.example.org",), f"{HOST} and *.{HOST}"),
        (("192.0.2.7",), f"{HOST} and *.{HOST}"),
    ],
)
def test_certificate_has_to_name_the_hub_and_all_servers(tmp_path: Path, names: tuple[str, ...], unnamed: str | None) -> None:
    public, private = certificate(tmp_path, *names)
    found = missing(tmp_path, f"runtime: {{address: 0.0.0.0, host: {HOST}, tls: {{certificate: '{public}', key: '{private}'}}}}\n")
    if unnamed is None:
        assert found == []
    else:
        (said,) = found
        assert f"does not name {unnamed}, and browsers will not believe it there" in said


def test_certificate_that_is_none_and_key_that_is_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("no certificate")
    text = f"runtime: {{host: {HOST}, tls: {{certificate: '{tmp_path}/c.pem', key: '{tmp_path}/absent.key'}}}}\n"
    said = "\n".join(missing(tmp_path, text))
    assert "c.pem holds no certificate" in said
    assert "absent.key cannot be read on this machine (No such file or directory)" in said


def test_check_of_a_file_for_another_machine_says_so_and_ends_with_0(tmp_path: Path) -> None:
    file = tmp_path / "platform.yaml"
    file.write_text(GOOD + "storage: {releases: {a478/dr1: /nonexistent/dr1}}\n")
    result = CliRunner().invoke(cli, ["check", str(file)])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{file}: right; ")
    assert result.stderr == (
        f"{file}:{len(GOOD.splitlines()) + 1}: the directory of release 'a478/dr1' is not on this machine: /nonexistent/dr1 does not exist;"
        " make it, mount it, or write where it is\n"
    )
