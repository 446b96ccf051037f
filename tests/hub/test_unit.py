"""The systemd unit: what systemd reads is what we meant."""

import shutil
import subprocess
from pathlib import Path

import pytest
from bowerbird_hub.supervision.unit import unit


def test_unit_quotes_what_systemd_would_read_otherwise() -> None:
    text = unit(Path("/srv/a $check%out"), Path('/srv/"var"'), Path("/etc/my platform.yaml"))
    assert 'ExecStart="/srv/a $$check%%out/bowerbird" "up" "/etc/my platform.yaml" "--var" "/srv/\\"var\\""' in text
    assert 'ExecStop="/srv/a $$check%%out/bowerbird" "down"' in text


def test_parts_outlive_a_killed_supervisor() -> None:
    text = unit(Path("/srv/bowerbird"), Path("/srv/var"), None)
    assert "KillMode=process" in text
    assert '"up" "--var" "/srv/var"' in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_to_say(tmp_path: Path) -> None:
    launcher = tmp_path / "bowerbird"
    launcher.write_text("#!/bin/sh\n")
    launcher.chmod(0o755)
    file = tmp_path / "bowerbird.service"
    file.write_text(unit(tmp_path, tmp_path / "a var", None))
    checked = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False, timeout=60)
    assert "bowerbird.service" not in checked.stderr
