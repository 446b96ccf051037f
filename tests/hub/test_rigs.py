"""Tests that are killed leave nothing of a platform that they had started."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.rig import ROOT, Rig, wait_for

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.support.rig import rig_in
with rig_in(Path(sys.argv[1])) as rig:
    rig.up()
    print(*rig.pids().values(), rig.supervisor(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_platform_ends_with_the_tests_that_are_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    pids = done.stdout.split()
    assert len(pids) > 1, done.stderr
    rig = Rig(tmp_path / "a checkout", tmp_path / "var", tmp_path / "platform.yaml")
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids) and not rig.processes())
    assert rig.mounts() == []
