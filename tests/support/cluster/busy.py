"""A program in a user's pod that never stops writing, and tells how long it had to wait."""

import json
from typing import Any

from tests.support.cluster.machine import wait_for
from tests.support.cluster.release import Release

# Appends a line every 20 ms to an open file, looks into the directory, and tells how long it waited at most and what went wrong.
BUSY = """
import json, os, time
# One of its own: a pod of before may still be at its end.
diary = f"/run/volume/data/home/diary-{time.time_ns()}"
file, longest, faults, count = open(diary, "a"), 0.0, [], 0
while True:
    began = time.monotonic()
    try:
        file.write(f"{count}\\n"); file.flush(); os.listdir("/run/volume/data/home"); count += 1
    except OSError as error:
        faults.append(str(error))
    longest = max(longest, time.monotonic() - began)
    with open("/tmp/told.new", "w") as told: json.dump({"count": count, "longest": longest, "faults": faults, "diary": diary}, told)
    os.rename("/tmp/told.new", "/tmp/told")
    time.sleep(0.02)
"""


def told(release: Release, pod: str) -> dict[str, Any]:
    """Return `count` of its rounds, the `longest` of them in seconds, and its `faults` in words."""
    wait_for(lambda: bool(_words(release, pod)), "its first words", 30)
    found: dict[str, Any] = json.loads(_words(release, pod))
    return found


def _words(release: Release, pod: str) -> str:
    program = "import os; print(open('/tmp/told').read() if os.path.exists('/tmp/told') else '', end='')"
    return release.cluster.python(release.users, pod, program)
