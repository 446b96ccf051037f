"""Failures of the package clients end in one sentence, and an interrupted set-up leaves no child behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from scripts.running import Log, Trouble

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 20


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "state/setup.log")


def test_what_a_command_says_is_returned_and_kept(log):
    assert log.run(["echo", "hello"]) == "hello\n"
    assert log.run(["echo", "again"]) == "again\n"
    assert "$ echo hello\nhello\n" in log.path.read_text()


@pytest.mark.parametrize(
    "words",
    [
        "error: Failed to fetch: `…` Caused by: dns error: failed to lookup address information",
        "npm error code ENOTFOUND",
        "npm error code EAI_AGAIN",
        "Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'",
        "E: Unable to locate package gcc",
        "Err:1 … Temporary failure resolving",
    ],
)
def test_no_network_is_told_in_plain_words(log, words):
    with pytest.raises(Trouble, match=r"^The package servers can't be reached.*run the same command again"):
        log.run(["sh", "-c", 'echo "$1" >&2; exit 1', "sh", words])


def test_a_full_disk_is_told_in_plain_words(log):
    with pytest.raises(Trouble, match=r"^The disk of .* is full\. Make room and run the same command again"):
        log.run(["dd", "if=/dev/zero", "of=/dev/full", "count=1"])


def test_any_other_failure_shows_the_last_words(log):
    with pytest.raises(Trouble, match=r"(?s)^sh failed\. .*\n    line 11\n    line 12\Z") as caught:
        log.run(["sh", "-c", "for n in 0 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $n; done; exit 3"])
    assert "line 0\n" not in str(caught.value)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_set_up_ends_its_children_and_theirs(tmp_path, sent):
    program = (
        "import signal, sys; from pathlib import Path; from scripts.install import stop; from scripts.running import Log;"
        "signal.signal(signal.SIGTERM, stop); Log(Path(sys.argv[1])).run(['sh', '-c', 'sleep 600; true'])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        grandchild = wait_for_sleep(process.pid)
        os.kill(process.pid, sent)
        process.wait(DEADLINE_SECONDS)
    gone, _ = psutil.wait_procs([grandchild], timeout=DEADLINE_SECONDS)
    assert gone == [grandchild]


def wait_for_sleep(pid: int) -> psutil.Process:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        for child in psutil.Process(pid).children(recursive=True):
            if child.name() == "sleep":
                return child
        time.sleep(0.02)
    raise TimeoutError("the child never started")
