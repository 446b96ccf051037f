"""While a person is signed in and a kernel runs: each process is killed, and the count goes on; the person is sent out, and the data go."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.session import Session, sign_in
from tests.system.conftest import Running

pytestmark = [pytest.mark.root, pytest.mark.fuse]
# Five times what the supervisor promises for a part that died for the first time.
BACK_SECONDS = 50
# Five times the second within which a lost right shows.
GONE_SECONDS = 5
COUNT = """
import threading, time
count = 0
def _count():
    global count
    while True:
        count += 1
        time.sleep(0.05)
threading.Thread(target=_count, daemon=True).start()
print("counting")
"""

# It goes on without its owner's browser, as whoever was sent out may have left it.
WATCH = """
import os, pathlib, threading, time
def _watch():
    seen = pathlib.Path.home() / "seen"
    while True:
        seen.with_suffix(".new").write_text("there" if os.path.isdir("/data/teams/eso") else "gone")
        os.replace(seen.with_suffix(".new"), seen)
        time.sleep(0.05)
threading.Thread(target=_watch, daemon=True).start()
print("watching")
"""
SENT_OUT = {
    "by being blocked": ("  session: 12 h\n", "  session: 12 h\n  block_users: [visitor]\n"),
    "by no rule that lets them in": ("  allow_teams: [craft, eso]\n", "  allow_teams: [craft]\n"),
}


def eventually(true: Callable[[], bool], what: str, seconds: float = BACK_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if true():
                return
        except (httpx.TransportError, AssertionError):
            pass  # The door is shut while its process is away: that is what is waited for.
        time.sleep(0.1)
    raise TimeoutError(f"within {seconds} s not: {what}")


@pytest.fixture(scope="module")
def counting(platform: Running) -> Iterator[tuple[Session, str]]:
    with sign_in(platform.url, "researcher", platform.password("researcher")) as session:
        session.start("minimal")
        kernel = session.kernel()
        assert "counting" in session.run(kernel, COUNT)
        yield session, kernel


def count(session: Session, kernel: str) -> int:
    return int(session.run(kernel, "print(count)").strip())


def pid_of(platform: Running, part: str) -> int | None:
    """Return the process id of a part; None while it is away."""
    found = [process["pid"] for process in platform.status()["processes"] if process["name"] == part]
    return found[0] if found else None


def living_pid_of(platform: Running, part: str) -> int:
    pid = pid_of(platform, part)
    assert pid is not None, f"{part} does not run"
    return pid


PARTS = ("proxy", "holder", "keeper", "hub", "service demo-cas", "service idle-culler", "service vo", "view of researcher")


@pytest.mark.parametrize("part", PARTS)
def test_killed_part_comes_back_and_the_count_goes_on(platform: Running, counting: tuple[Session, str], part: str) -> None:
    session, kernel = counting
    before = count(session, kernel)
    killed = living_pid_of(platform, part)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: pid_of(platform, part) not in {None, killed}, f"{part} has another pid")
    eventually(lambda: bool(platform.status()["running"]), "the platform is up")
    eventually(lambda: count(session, kernel) > before, f"the kernel counts on after {part} was killed")
    listing = session.run(kernel, "import os; print(sorted(os.listdir('/data')))")
    assert "releases" in listing
    # A sign-on server that was started a moment ago, or is led to a moment later, is not yet there for who comes in.
    eventually(lambda: comes_in(platform, "visitor"), f"somebody comes in after {part} was killed")


def comes_in(platform: Running, account: str) -> bool:
    """Tell whether somebody can sign in."""
    with sign_in(platform.url, account, platform.password(account)) as session:
        return session.client.get(session.hub("home")).status_code == httpx.codes.OK


def test_killed_supervisor_is_followed_by_one_that_takes_over(platform: Running, counting: tuple[Session, str]) -> None:
    session, kernel = counting
    before = count(session, kernel)
    parts = {part: pid_of(platform, part) for part in ("proxy", "holder", "keeper", "hub")}
    os.kill(living_pid_of(platform, "supervisor"), signal.SIGKILL)
    assert count(session, kernel) >= before
    platform.command("up", "--detach")
    assert {part: pid_of(platform, part) for part in parts} == parts
    assert count(session, kernel) > before


def test_sign_on_of_two_people_shows_two_views(platform: Running, counting: tuple[Session, str]) -> None:
    session, kernel = counting
    seen = session.run(kernel, "import os; print(sorted(os.listdir('/data/releases/a478/ifs-dr1')))")
    assert "muse_cube.fits" in seen
    with sign_in(platform.url, "visitor", platform.password("visitor")) as other:
        other.start("minimal")
        visitors = other.kernel()
        assert other.run(visitors, "import os; print(os.listdir('/data/releases/a478/ifs-dr1'))").strip() == "['README']"
        assert "PermissionError" in other.run(visitors, "open('/data/releases/a478/ifs-dr1/muse_cube.fits')")
        assert "ProcessLookupError" in other.run(visitors, f"import os; os.kill({living_pid_of(platform, 'hub')}, 0)")
        other.stop()


@pytest.fixture
def watching(platform: Running) -> Iterator[Path]:
    """Give the file in which a person's kernel says whether it sees their team's space."""
    with sign_in(platform.url, "visitor", platform.password("visitor")) as session:
        session.start("minimal")
        assert "watching" in session.run(session.kernel(), WATCH)
    seen = platform.var / "homes" / "visitor" / "seen"
    eventually(seen.exists, "the kernel writes what it sees")
    yield seen
    # Who was sent out has to sign in anew.
    with sign_in(platform.url, "visitor", platform.password("visitor")) as session:
        session.stop()


def send_out(platform: Running, watching: Path, rule: str, instead: str) -> None:
    """Edit the platform file, see the data go from a server that runs, and put the file right again."""
    file, in_force = platform.var / "platform.yaml", platform.var / "state" / "platform.json"
    good = file.read_text()
    assert good.count(rule) == 1
    before = in_force.stat().st_mtime_ns
    file.write_text(good.replace(rule, instead))
    try:
        eventually(lambda: in_force.stat().st_mtime_ns != before, "the edit is in force", seconds=10)
        eventually(lambda: watching.read_text() == "gone", "the team's space is gone", seconds=GONE_SECONDS)
        assert platform.status()["running"]
    finally:
        file.write_text(good)
    eventually(lambda: watching.read_text() == "there", "the team's space is back", seconds=10 + GONE_SECONDS)


def test_who_is_sent_out_loses_the_teams_data_with_a_server_that_runs(platform: Running, watching: Path) -> None:
    eventually(lambda: watching.read_text() == "there", "the team's space is there")
    for rule, instead in SENT_OUT.values():
        send_out(platform, watching, rule, instead)
