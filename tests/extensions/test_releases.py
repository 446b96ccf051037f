"""What a researcher is told of releases and files, in text and as HTML."""

import hashlib
import json
from datetime import UTC, datetime

import bowerbird
import pytest
from bowerbird.__main__ import main
from bowerbird.refusals import explained

from tests.extensions.views import PROPRIETARY, PUBLIC, SENTENCE


def test_releases_are_those_of_the_manifest_in_its_order(view) -> None:
    found = bowerbird.releases()
    assert [release.name for release in found] == [*PUBLIC, PROPRIETARY]
    assert found["a370/dr1"].path == view / "releases/a370/dr1"
    assert found[-1].public_on == datetime(2027, 12, 1, tzinfo=UTC)
    assert found[:2][1].title == PUBLIC["gaia-bright/dr3"]
    assert str(found[0]) == "ngc/dr1: NGC and IC objects"


def test_the_text_says_what_where_and_how_to_cite(view) -> None:
    header, first, *others = repr(bowerbird.releases()).splitlines()
    assert header.split("  ")[0] == "release"
    assert first.startswith("ngc/dr1")
    assert first.index("NGC and IC") == header.index("what")
    assert "Bacon et al. 2016 doi:10.1/x" in first
    assert others[-1].startswith("a478/ifs-dr1")
    assert "proprietary until 2027-12-01 00:00 UTC" in others[-1]


def test_an_announced_release_is_listed_with_its_sentence_and_without_a_path(other_view) -> None:
    found = bowerbird.releases()
    assert found[PROPRIETARY].path is None
    assert repr(found).splitlines()[-1] == SENTENCE
    assert f"<p>{SENTENCE}</p>" in found._repr_html_()


def test_html_is_escaped(view) -> None:
    path = view / ".view.json"
    content = json.loads(path.read_text())
    content["releases"][0]["title"] = "<script>alert(1)</script>"
    path.write_text(json.dumps(content))
    assert "<script>" not in bowerbird.releases()._repr_html_()
    assert "&lt;script&gt;" in bowerbird.releases()._repr_html_()


def test_a_release_of_another_name_names_those_there_are(view) -> None:
    with pytest.raises(KeyError, match=r"no release 'a370/dr2'.*a370/dr1"):
        bowerbird.releases()["a370/dr2"]


def test_a_view_without_releases_says_so(view) -> None:
    path = view / ".view.json"
    path.write_text(json.dumps({"version": 1, "user": "x", "releases": [], "teams": []}))
    assert repr(bowerbird.releases()) == "No release is open to you yet."


def test_a_manifest_that_changed_is_read_again(view) -> None:
    assert len(bowerbird.releases()) == 5
    content = json.loads((view / ".view.json").read_text())
    content["releases"] = content["releases"][:2]
    (view / ".view.json").write_text(json.dumps(content))
    assert len(bowerbird.releases()) == 2


def test_without_a_view_the_way_out_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BOWERBIRD_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"view of the data is not here.*BOWERBIRD_DATA"):
        bowerbird.releases()


def test_about_a_file_of_a_release(view) -> None:
    about = bowerbird.about(view / "releases/a370/dr1/a370_i.fits")
    assert (about.standing, about.licence, about.whose) == ("public", "CC BY 4.0", "the administrator")
    assert about.cite == "Bacon et al. 2016 doi:10.1/x"
    assert about.sha256 == hashlib.sha256((view / "releases/a370/dr1/a370_i.fits").read_bytes()).hexdigest()
    assert "how to cite  Bacon et al. 2016" in str(about)
    assert "<b>" not in about._repr_html_()


def test_about_a_file_without_a_checksum_and_of_a_release_itself(view) -> None:
    assert bowerbird.about(view / "releases/hdfs/dr1/hst_f606w.fits").sha256 == ""
    about = bowerbird.about(view / "releases/a478/ifs-dr1")
    assert about.whose == "team craft (the administrator)"
    assert about.standing == "proprietary until 2027-12-01 00:00 UTC"


def test_command_says_what_the_function_says(view, capsys) -> None:
    image, none = view / "releases/a370/dr1/a370_i.fits", view / "releases/a370/dr1/none"
    assert main(["about", str(image), str(image.parent)]) == 0
    assert capsys.readouterr().out == f"{bowerbird.about(image)}\n\n{bowerbird.about(image.parent)}\n"
    assert main(["about", str(none)]) == 2
    assert capsys.readouterr().err.startswith(f"{none}: no such file")


def test_about_by_a_link(view, tmp_path) -> None:
    linked = bowerbird.about(view / "private/a478-ifs-dr1/muse_cube.fits").release
    assert linked is not None
    assert linked.name == PROPRIETARY
    (tmp_path / "mine.fits").symlink_to(view / "releases/a370/dr1/a370_i.fits")
    assert bowerbird.about(tmp_path / "mine.fits").cite == "Bacon et al. 2016 doi:10.1/x"


def test_checksum_is_the_one_that_the_view_tells(view, tmp_path) -> None:
    image = view / "releases/a370/dr1/a370_i.fits"
    (tmp_path / "mine.fits").symlink_to(image)
    assert bowerbird.about(tmp_path / "mine.fits").sha256 == bowerbird.about(image).sha256 != ""


def test_end_of_a_membership_is_said_as_every_other_moment(view) -> None:
    known = json.loads((view / ".view.json").read_text())
    known["teams"][0]["until"] = "2027-03-01T01:00:00+01:00"
    (view / ".view.json").write_text(json.dumps(known))
    assert bowerbird.about(view / "teams/craft").standing == "yours as member, until 2027-03-01 00:00 UTC"


def test_about_spaces(view, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (view / "teams/craft/notes.txt").write_text("x")
    assert bowerbird.about(view / "teams/craft/notes.txt").standing == "yours as member"
    (view / "home/notes.txt").write_text("x")
    assert bowerbird.about(view / "home/notes.txt").what == "a file in your home"
    (tmp_path / "elsewhere").write_text("x")
    assert bowerbird.about(tmp_path / "elsewhere").whose == "not known here"


@pytest.mark.parametrize("act", [bowerbird.about, lambda path: bowerbird.cutout(path, (1.0, 2.0), "1 arcmin")])
@pytest.mark.parametrize(
    "place", ["releases/a478/ifs-dr1/muse_cube.fits", "releases/a478/ifs-dr1/no/such", "private/a478-ifs-dr1/muse_cube.fits"]
)
def test_an_announced_release_is_refused_in_the_words_of_the_platform(other_view, act, place) -> None:
    with pytest.raises(bowerbird.Refused) as refused:
        act(other_view / place)
    assert str(refused.value) == SENTENCE
    assert isinstance(refused.value, PermissionError)
    assert refused.value._render_traceback_() == [f"Refused: {SENTENCE}"]


@pytest.mark.parametrize("act", [bowerbird.about, lambda path: bowerbird.cutout(path, (1.0, 2.0), "1 arcmin")])
def test_what_is_not_there_names_what_is_near(view, act) -> None:
    with pytest.raises(FileNotFoundError, match=r"has 'a370_i.fits'; bowerbird.releases\(\) lists"):
        act(view / "releases/a370/dr1/a370_l.fits")
    with pytest.raises(FileNotFoundError, match="there is no 'secret'"):
        act(view / "releases/secret/dr1/x.fits")


@pytest.mark.parametrize("act", [bowerbird.about, lambda path: bowerbird.cutout(path, (1.0, 2.0), "1 arcmin")])
def test_a_file_of_no_near_name_is_told_a_few_of_its_kind_and_how_many_more_there_are(view, act) -> None:
    release = view / "releases/a370/dr1"
    for name in ("README", "sources.fits", "a370_r.fits", "a370_z.fits", ".hidden.fits"):
        (release / name).touch()
    with pytest.raises(FileNotFoundError) as missing:
        act(release / "nope.fits")
    told = str(missing.value)
    assert "has 'sources.fits', 'a370_i.fits', 'a370_r.fits' and 2 more; bowerbird.releases() lists" in told


def test_what_is_hidden_answers_as_what_does_not_exist(other_view) -> None:
    def answer(name: str) -> str:
        with pytest.raises(FileNotFoundError) as error:
            bowerbird.about(other_view / "releases" / name / "dr1/x.fits")
        return str(error.value).replace(name, "NAME")

    assert answer("kept-back") == answer("never-made")


@pytest.mark.parametrize(("place", "kind"), [("home/notes.txt", PermissionError), ("releases/a478/ifs-dr1/x.fits", bowerbird.Refused)])
def test_permission_denied_by_the_system_is_explained(other_view, place, kind) -> None:
    path = other_view / place
    with pytest.raises(kind, match=r"ask|Who can change") as error, explained(path):
        raise PermissionError(13, "Permission denied", str(path))
    assert type(error.value) is kind


def test_errors_about_other_files_are_left_alone(view) -> None:
    with pytest.raises(FileNotFoundError) as error, explained(view / "home"):
        raise FileNotFoundError(2, "No such file or directory", "/another")
    assert error.value.filename == "/another"
    assert error.value.strerror == "No such file or directory"


def test_in_a_notebook_a_missing_file_is_one_line(view) -> None:
    with pytest.raises(FileNotFoundError) as error:
        bowerbird.about(view / "releases/a370/dr2")
    (line,) = error.value._render_traceback_()  # type: ignore[attr-defined]  # IPython's name for it
    assert line.startswith("FileNotFoundError: no such file; ")
    assert "Errno" not in line
