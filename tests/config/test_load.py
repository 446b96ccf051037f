"""Files, includes and limits: what is read, what is refused, and what is watched."""

import json
from pathlib import Path

import pytest
from bowerbird_config.documents import MAX_BYTES
from bowerbird_config.load import ConfigError, load, sources
from bowerbird_config.platform import Platform
from bowerbird_config.problems import Problem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.config.test_bad_files import GOOD

BASE = GOOD[: GOOD.index("teams:\n")].replace("  allow_teams: [craft]\n", "")
PROFILES = GOOD[GOOD.index("profiles:\n") : GOOD.index("collections:\n")]
TEAMS = "teams:\n  craft: {title: Craft, contact: craft@example.org}\n"


def write(folder: Path, **files: str) -> Path:
    """Write files by name without their ending and return the first."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


def wrong(file: Path) -> list[str]:
    """Return what is said of a file, with paths relative to its folder."""
    with pytest.raises(ConfigError) as error:
        load(file)
    return [str(problem).replace(f"{file.parent}/", "") for problem in error.value.problems]


def test_mappings_of_included_files_are_joined(tmp_path):
    (tmp_path / "more").mkdir()
    write(tmp_path / "more", craft=TEAMS, eso="teams:\n  eso: {title: ESO, contact: eso@example.org}\ninclude: [craft.yaml]\n")
    file = write(tmp_path, platform=f"{BASE}{PROFILES}include: [more/eso.yaml]\n")
    assert sorted(load(file).teams) == ["craft", "eso"]
    assert sources(file) == (file, tmp_path / "more/eso.yaml", tmp_path / "more/craft.yaml")


def test_a_problem_in_an_included_file_names_that_file_and_line(tmp_path):
    file = write(tmp_path, platform=f"{BASE}{PROFILES}include: [teams.yaml]\n", teams=TEAMS + "  eso: {title: ESO}\n")
    assert wrong(file) == ["teams.yaml:3: teams.eso has no 'contact'; add 'contact:' (how to reach those who may let somebody in)"]


def test_what_two_files_define_is_a_problem_that_names_both_places(tmp_path):
    file = write(tmp_path, platform=f"{BASE}{PROFILES}{TEAMS}include: [more.yaml]\n", more=f"name: Other\n{TEAMS}")
    assert wrong(file) == [
        "more.yaml:1: 'name' is defined here and in platform.yaml:2; remove one of the two",
        "more.yaml:3: 'teams.craft' is defined here and in platform.yaml:14; remove one of the two",
    ]


def test_files_that_include_each_other_are_refused(tmp_path):
    file = write(tmp_path, platform=f"{BASE}{PROFILES}include: [a.yaml]\n", a="include: [b.yaml]\n", b="include: [./a.yaml]\n")
    assert wrong(file) == ["b.yaml:1: './a.yaml' includes this file in turn; remove one of the two includes"]


def test_a_file_that_includes_itself_is_refused(tmp_path):
    file = write(tmp_path, platform=f"{BASE}{PROFILES}include: [platform.yaml]\n")
    assert wrong(file) == ["platform.yaml:13: 'platform.yaml' includes this file in turn; remove one of the two includes"]


def test_a_file_is_included_once(tmp_path):
    file = write(tmp_path, platform=f"{BASE}{PROFILES}include: [a.yaml, b.yaml]\n", a="include: [b.yaml]\n", b=TEAMS)
    assert wrong(file) == ["platform.yaml:13: 'b.yaml' is included already, in a.yaml:1; remove one of the two includes"]


def test_files_without_end_are_refused(tmp_path):
    for number in range(101):
        write(tmp_path, **{f"f{number}": f"include: [f{number + 1}.yaml]\n"})
    write(tmp_path, f101="teams: {}\n")
    assert "more than 100 files are included; join some of them" in "\n".join(wrong(tmp_path / "f0.yaml"))


def test_an_include_that_is_missing_is_watched_so_that_its_coming_is_seen(tmp_path):
    file = write(tmp_path, platform=f"{BASE}{PROFILES}include: [teams.yaml]\n")
    assert wrong(file) == ["platform.yaml:13: the included file 'teams.yaml' does not exist; give a path relative to this file"]
    assert sources(file) == (file, tmp_path / "teams.yaml")


def test_a_directory_is_no_platform_file(tmp_path):
    (tmp_path / "platform.yaml").mkdir()
    assert wrong(tmp_path / "platform.yaml") == [
        "platform.yaml:1: the file cannot be read (it is not a file); give the path of a file that you may read"
    ]


def test_a_file_that_is_not_there_is_said(tmp_path):
    assert wrong(tmp_path / "platform.yaml") == [
        "platform.yaml:1: the file cannot be read (No such file or directory); give the path of a file that you may read"
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n", "---\n", "~\n"], ids=repr)
def test_an_empty_file_is_said_to_be_empty(tmp_path, text):
    file = write(tmp_path, platform=text)
    remedy = "start it with 'bowerbird: 1', or copy config/default/platform.yaml, which './bowerbird up' starts with"
    assert wrong(file) == [f"platform.yaml:1: the file is empty; {remedy}"]


@pytest.mark.parametrize("text", ["- a\n", "bowerbird\n", "42\n"])
def test_a_file_that_is_no_mapping_is_said_to_be_none(tmp_path, text):
    file = write(tmp_path, platform=text)
    assert wrong(file) == ["platform.yaml:1: the file is not a mapping; begin its lines with keys such as 'teams:'"]


def test_a_file_of_ten_megabytes_is_refused_unread(tmp_path):
    file = tmp_path / "platform.yaml"
    file.write_bytes(b"[" * 10_000_000)
    assert wrong(file) == ["platform.yaml:1: the file is larger than 1 MiB; a platform file is a description; is this the right file?"]


def test_a_file_of_a_mebibyte_is_read(tmp_path):
    text = GOOD + "#" * (MAX_BYTES - len(GOOD.encode()))
    file = write(tmp_path, platform=text)
    assert load(file).name == "Test"
    file.write_text(text + "#")
    assert "larger than 1 MiB" in wrong(file)[0]


def test_brackets_without_end_are_a_sentence(tmp_path):
    for text in ("[" * 100_000, "{a: " * 50_000, GOOD + "x: " + "[" * 60 + "]" * 60):
        assert "nested too deeply" in wrong(write(tmp_path, platform=text))[0]


def test_aliases_that_unfold_to_billions_are_refused_at_once(tmp_path):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    said = wrong(write(tmp_path, platform=bomb))
    assert sum("unfold to too many values; write them out" in line for line in said) == 1
    assert len(said) < 30


def test_an_alias_is_the_value_that_it_names(tmp_path):
    text = GOOD.replace("        teams: [craft]", "        teams: &whose [craft]")
    text = text.replace("spaces:\n", "      dr2: {title: Second, teams: *whose}\nspaces:\n")
    assert load(write(tmp_path, platform=text)).collections["a478"].releases["dr2"].teams == ("craft",)


def test_text_that_is_not_utf_8_is_told_with_its_line(tmp_path):
    file = tmp_path / "platform.yaml"
    file.write_bytes(b"bowerbird: 1\nname: caf\xe9\n")
    assert wrong(file) == ["platform.yaml:2: the file is not UTF-8 here; save it as UTF-8"]


@pytest.mark.parametrize("character", ["\x07", "\ufffe", "\uffff"], ids=ascii)
def test_a_control_character_is_told_with_its_line(tmp_path, character):
    file = write(tmp_path, platform=f"bowerbird: 1\nname: a{character}b\n")
    assert wrong(file) == ["platform.yaml:2: an unseen control character is in this line; remove it"]


def test_a_byte_order_mark_and_dos_lines_are_no_mistake(tmp_path):
    file = tmp_path / "platform.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load(file).name == "Test"


def test_words_that_other_yaml_takes_for_values_are_texts(tmp_path):
    text = GOOD.replace("title: ESO", "title: off").replace("  eso:", "  no:")
    assert load(write(tmp_path, platform=text)).teams["no"].title == "off"


def test_a_number_with_a_leading_zero_is_decimal(tmp_path):
    text = GOOD + "runtime: {port: 08080}\n"
    assert load(write(tmp_path, platform=text)).runtime.port == 8080


def test_a_platform_that_was_written_as_json_loads_as_itself(tmp_path):
    platform = load(write(tmp_path, platform=GOOD))
    file = tmp_path / "platform.json"
    file.write_text(json.dumps(platform.model_dump(mode="json")))
    assert load(file) == platform
    assert Platform.model_validate_json(platform.model_dump_json()) == platform


def test_a_file_with_mistakes_of_every_file_says_them_all(tmp_path):
    file = write(tmp_path, platform=f"{BASE}include: [a.yaml, b.yaml]\n", a="teams: [\n", b="profiles: {\n")
    assert [line.partition(": ")[0] for line in wrong(file)] == ["a.yaml:2", "b.yaml:2"]


def problems_of(file: Path) -> tuple[Problem, ...]:
    """Return the problems of a file that may have none; whatever else it raises is the fault that is looked for."""
    try:
        load(file)
    except ConfigError as error:
        assert error.problems  # noqa: PT017  # a right file is right too, so nothing must be raised
        return error.problems
    return ()


LINES = GOOD.splitlines()
EDITS = st.sampled_from(["", "\t", "- ", "[", "}", "'", "&a ", "*a ", ": ", "!!x ", "null", "<<: ", "|", "\x00", "é", "%", "? ", "1"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 40), EDITS), min_size=1, max_size=4))
def test_whatever_is_edited_a_file_is_right_or_its_problems_have_lines_in_it(tmp_path, edits):
    lines = list(LINES)
    for number, column, text in edits:
        lines[number] = lines[number][:column] + text + lines[number][column + 1 :]
    file = write(tmp_path, platform="\n".join(lines))
    for problem in problems_of(file):
        assert 1 <= problem.place.line <= len(lines) + 1
        assert problem.what
        assert problem.remedy
        assert "\n" not in str(problem)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_right_or_a_list_of_problems(tmp_path, raw):
    file = tmp_path / "platform.yaml"
    file.write_bytes(raw)
    with pytest.raises(ConfigError) as error:
        load(file)
    assert error.value.problems
