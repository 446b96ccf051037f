"""Processes by pid and start: never one of the same number that came later."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_hub.supervision import processes
from bowerbird_hub.supervision.marks import lineage, marked, marks
from bowerbird_hub.supervision.processes import Process, end, find, living, resident_bytes, running_seconds, tree
from bowerbird_hub.supervision.sweep import with_descendants

PAUSE = "import signal; print('up', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
PARENT = f"import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', {PAUSE!r}]); c.wait()"


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[str]]]:
    made: list[subprocess.Popen[str]] = []
    yield made
    for child in made:
        child.kill()
        child.wait()
        assert child.stdout
        child.stdout.close()


def child(children: list[subprocess.Popen[str]], code: str, environment: dict[str, str] | None = None) -> Process:
    told = {**os.environ, **(environment or {})}
    made = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=told)
    children.append(made)
    assert made.stdout
    assert made.stdout.readline() == "up\n"
    process = find(made.pid)
    assert process
    return process


def test_parents_come_before_their_children_whatever_their_numbers(children: list[subprocess.Popen[str]]) -> None:
    parent = child(children, PARENT)
    family = tree(parent)
    assert len(family) == 2
    assert with_descendants(reversed(family)) == family
    family[1].send(signal.SIGKILL)


def test_living_process_is_found_with_its_memory_and_age(children: list[subprocess.Popen[str]]) -> None:
    process = child(children, PAUSE)
    assert process.alive
    assert process in list(living())
    assert resident_bytes(process.pid) > 1 << 20
    assert 0 <= running_seconds(process) < 60


def test_process_of_the_same_number_is_another_one(children: list[subprocess.Popen[str]]) -> None:
    process = child(children, PAUSE)
    other = Process(process.pid, process.start_ticks + 1)
    assert not other.alive
    assert not other.send(signal.SIGKILL)
    assert process.alive


def test_dead_process_that_nobody_waited_for_does_not_live(children: list[subprocess.Popen[str]]) -> None:
    process = child(children, PAUSE)
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert find(process.pid) is None
    assert not process.alive
    assert tree(process) == []


def test_end_of_a_process_is_awaited(children: list[subprocess.Popen[str]]) -> None:
    process = child(children, PAUSE)

    async def see_it_end() -> None:
        waiting = asyncio.ensure_future(process.gone())
        await asyncio.sleep(0)
        assert not waiting.done()
        process.send(signal.SIGTERM)
        await asyncio.wait_for(waiting, 10)
        await asyncio.wait_for(process.gone(), 10)

    asyncio.run(see_it_end())
    assert not process.alive


def test_deaf_process_is_killed_after_its_time(children: list[subprocess.Popen[str]]) -> None:
    process = child(children, DEAF)
    began = time.monotonic()
    asyncio.run(end([process], 0.3))
    assert not process.alive
    assert 0.3 <= time.monotonic() - began < 5


def test_tree_has_the_children_of_children(children: list[subprocess.Popen[str]]) -> None:
    process = child(children, PARENT)
    found = tree(process)
    assert found[0] == process
    assert len(found) == 2
    assert processes.parent(found[1]) == process.pid
    asyncio.run(end(found, 5))


def test_marked_processes_are_found_with_what_they_started(children: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    place = tmp_path / "with a space"
    process = child(children, PARENT, marks("hub", place))
    child(children, PAUSE, marks("hub", place.with_name("another")))
    mark = marks("", place)
    assert marked(mark)[0].pid == process.pid
    assert len(marked(mark, "hub")) == 2
    assert marked(mark, "proxy") == []
    asyncio.run(end(marked(mark), 5))


def test_nobody_finds_themselves_or_their_parents() -> None:
    assert {os.getpid(), os.getppid()} <= lineage()
