"""Clocks that go backwards, members who are no longer, and kernels that forget all at once."""

import contextlib
import ctypes
import os
from pathlib import Path

import pytest

from tests.fuse.test_data_faults import start_with
from tests.support.data_rig import BOUND_SECONDS, DataRig, Person, eventually, member, record
from tests.support.resident import Resident

pytestmark = [pytest.mark.root, pytest.mark.fuse]

WRITES = """
    log, answer = os.open('teams/ant/log', os.O_CREAT | os.O_WRONLY | os.O_APPEND), [0, 'written']
    try:
        while not os.path.exists('home/stop'):
            os.write(log, b'%08d\\n' % answer[0]); answer[0] += 1
            if answer[0] == 20: Path('home/writes').touch()
            with open('teams/ant/last', 'w') as last: last.write('x' * 1000)
    except OSError as error: answer[1] = errno.errorcode[error.errno]
"""


def test_member_who_loses_the_team_while_writing_is_told_and_loses_nothing_written(rig: DataRig, ann: Person) -> None:
    rig.know(record("bob", member("ant"), version=2))
    bob = rig.mount("bob")
    with contextlib.closing(Resident(ann)) as writer:
        writer.begin(WRITES)
        eventually((rig.var.homes / "ann/writes").exists, 20)
        rig.know(record("ann", version=2))
        written, end = writer.finish(BOUND_SECONDS)
        assert end in {"ENOENT", "EACCES", "EIO", "ESTALE", "EPERM"}
        assert writer.do("answer = os.path.exists('teams/ant')") is False
        assert writer.do("Path('home/goes on').write_text('yes'); answer = Path('home/goes on').read_text()") == "yes"
    lines = bob.do("answer = Path('teams/ant/log').read_text().split()")
    assert lines[:written] == [f"{n:08}" for n in range(written)]
    assert len(lines) <= written + 1
    assert bob.do("Path('teams/ant/last').write_text('bob'); answer = Path('teams/ant/last').read_text()") == "bob"


# Each look at the clock is an hour before the last one; deadlines are kept by the other clock.
BACKWARDS = """
import time
began, looks, real = time.time(), iter(range(1, 10**9)), time.time
time.time = lambda: began - 3600 * next(looks)
time.time_ns = lambda: int(time.time() * 1e9)
"""


def test_clock_that_goes_backwards_changes_nothing(rig: DataRig, tmp_path: Path) -> None:
    start_with(rig, tmp_path, BACKWARDS)
    ann = rig.mount("ann")
    found = ann.do("""
        os.chdir('teams/ant'); Path('f').write_text('one'); before = os.stat('f').st_mtime_ns
        answer = [Path('f').read_text(), abs(time.time_ns() - before) < 10**10]
        Path('f').write_text('two'); answer += [Path('f').read_text(), os.stat('f').st_mtime_ns >= before]
        os.utime('f', ns=(0, 0)); Path('f').write_text('six'); os.rename('f', 'g')
        answer += [Path('g').read_text(), os.listdir('.'), os.listdir('../../releases/sky')]
    """)
    assert found == ["one", True, "two", True, "six", ["g"], ["dr1", "dr2", "dr4"]]
    assert "Traceback" not in rig.log.read_text()


def test_file_from_the_future_and_one_from_before_all_time_are_read_anew(rig: DataRig, ann: Person) -> None:
    rig.know(record("bob", member("ant"), version=2))
    bob = rig.mount("bob")
    for ns in (4 * 10**18, -(10**18), 10**18):
        ann.do("Path('teams/ant/f').write_text(text); os.utime('teams/ant/f', ns=(ns, ns))", text=str(ns), ns=ns)
        assert bob.do("answer = [Path('teams/ant/f').read_text(), os.stat('teams/ant/f').st_mtime_ns]") == [str(ns), ns]


REMOUNT, NOSUID, NODEV = 32, 2, 4


def forget_all(path: Path) -> None:
    """Make the kernel drop what it knows of a mount and does not use: a remount does so."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(None, bytes(path), None, REMOUNT | NOSUID | NODEV, None) == 0, os.strerror(ctypes.get_errno())


def test_kernel_that_forgets_everything_at_once_finds_it_again(rig: DataRig, ann: Person) -> None:
    worker = rig.worker("ann")
    with contextlib.closing(Resident(ann)) as resident:
        resident.do("""
            os.makedirs('home/d'); os.chdir('home/d')
            for n in range(1000): os.close(os.open(f'f{n}', os.O_CREAT | os.O_WRONLY))
        """)
        resident.begin("""
            os.chdir('home/d'); held = open('f7', 'w+'); held.write('held'); held.flush()
            first = {n: os.stat(n).st_ino for n in os.listdir('.')}
            answer = 0
            while not os.path.exists('../stop'):
                assert {n: os.stat(n).st_ino for n in os.listdir('.')} == first
                held.seek(0); assert held.read() == 'held'; assert os.fstat(held.fileno()).st_ino == first['f7']
                answer += 1
                Path('../round').write_text(str(answer))
        """)
        for _ in range(10):
            forget_all(ann.path)
        eventually((rig.var.homes / "ann/round").exists, 20)
        (rig.var.homes / "ann/stop").touch()
        assert resident.finish() > 0
    assert rig.worker("ann") == worker
