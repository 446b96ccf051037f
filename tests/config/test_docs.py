"""The page about the platform file: its example is right and its commands print what it says."""

import re
import shlex
from pathlib import Path

import pytest
from bowerbird_config.cli import cli
from click.testing import CliRunner

PAGE = (Path(__file__).parents[2] / "docs" / "platform-file.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
WHOLE, PARTS = (
    [text for kind, text in BLOCKS if kind == "yaml" and text.startswith(first)] for first in ("# platform.yaml", "# part of platform.yaml")
)
SESSIONS = [text for kind, text in BLOCKS if kind == "console"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that the page speaks of, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (whole,) = WHOLE
    Path("platform.yaml").write_text(whole)
    Path("broken.yaml").write_text(
        whole.replace("memory: 2 GiB", "memory: 2 GB").replace("teams: [survey]\n\ncol", "teams: [suvrey]\n\ncol")
    )
    edited = whole.replace("        teams: [survey]\n", "        teams: [survey, craft]\n").replace("    members: [researcher]\n", "")
    Path("edited.yaml").write_text(edited)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("session", SESSIONS, ids=[session.partition("\n")[0] for session in SESSIONS])
def test_a_command_prints_what_the_page_says(session):
    command, _, printed = session.partition("\n")
    prompt, name, *arguments = shlex.split(command)
    assert (prompt, name) == ("$", "bowerbird")
    result = CliRunner().invoke(cli, arguments)
    assert result.output == printed


@pytest.mark.parametrize("part", PARTS)
def test_a_part_fits_into_the_whole(folder, part):
    (folder / "teams.yaml").write_text("teams: {more: {title: More, contact: more@example.org}}\n")
    (folder / "releases").mkdir()
    (folder / "releases" / "southern.yaml").write_text("{}\n")
    file = folder / "platform.yaml"
    text = file.read_text()
    if "runtime:" in part:
        text = re.sub(r"runtime:\n(  .*\n)+", "", text)
    file.write_text(text + part)
    result = CliRunner().invoke(cli, ["check", str(file)])
    assert result.exit_code == 0, result.output
