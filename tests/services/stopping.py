"""One of two processes stopped, so that what comes meanwhile comes to the other."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bowerbird_services.cores import cores

from tests.services.waiting import until

needs_two_cores = pytest.mark.skipif(cores() < 2, reason="a machine with one core runs one process")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Let a process do nothing for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: re.search(r"^State:\tT", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
