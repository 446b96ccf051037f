"""The systemd unit: what systemd reads is what we meant."""

import shutil
import subprocess
from pathlib import Path

import click
import pytest
from bowerbird_hub import commands
from bowerbird_hub.supervision.unit import unit
from click.testing import CliRunner

from tests.support.rig import PLATFORM


def test_unit_quotes_what_systemd_would_read_otherwise() -> None:
    text = unit(Path("/srv/a $check%out"), Path('/srv/"var"'), Path("/etc/my platform.yaml"))
    assert 'ExecStart="/srv/a $$check%%out/bowerbird" "up" "/etc/my platform.yaml" "--var" "/srv/\\"var\\""' in text
    assert 'ExecStop="/srv/a $$check%%out/bowerbird" "down"' in text


def test_parts_outlive_a_killed_supervisor() -> None:
    text = unit(Path("/srv/bowerbird"), Path("/srv/var"), None)
    assert "KillMode=process" in text
    assert '"up" "--var" "/srv/var"' in text


def test_unit_starts_the_file_that_is_there_at_the_port_that_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "platform.yaml"
    words = [str(file), "--port", "8443", "--var", str(tmp_path / "var")]
    missing = CliRunner().invoke(commands.unit, words)
    assert missing.exit_code == 1
    assert f"{file}:1: the file cannot be read" in missing.output
    file.write_text("teams: []\n")
    broken = CliRunner().invoke(commands.unit, words)
    assert broken.exit_code == 1
    assert f"{file}:1: " in broken.output
    assert "ExecStart" not in broken.output
    file.write_text(PLATFORM)
    made = CliRunner().invoke(commands.unit, words)
    assert made.exit_code == 0, made.output
    assert f'"up" "{file}" "--port" "8443" "--var" "{tmp_path}/var"' in made.output


@pytest.mark.parametrize("command", [commands.up, commands.down, commands.status, commands.unit])
def test_state_directory_of_an_unset_variable_is_refused(command: click.Command) -> None:
    refused = CliRunner().invoke(command, ["--var", ""])
    assert refused.exit_code == 2
    assert "--var': it is empty, as an unset variable of the shell is" in refused.output


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_to_say(tmp_path: Path) -> None:
    launcher = tmp_path / "bowerbird"
    launcher.write_text("#!/bin/sh\n")
    launcher.chmod(0o755)
    file = tmp_path / "bowerbird.service"
    file.write_text(unit(tmp_path, tmp_path / "a var", None))
    checked = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False, timeout=60)
    assert "bowerbird.service" not in checked.stderr
