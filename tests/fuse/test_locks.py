"""Locks between two views of one team's space, and with a program beside them: all are locks on the one file below."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from bowerbird_hub.runtimes.environment import GIT

from tests.support.data_rig import BOUND_SECONDS, DataRig, Failed, Person, eventually
from tests.support.standing import Standing

pytestmark = [pytest.mark.root, pytest.mark.fuse]

Start = Callable[..., Standing]

# Taken without waiting, waited for, given back.
KINDS = {"range": ("lock(WRITE)", "wait(WRITE)", "lock(NONE)"), "whole": ("whole(ALONE)", "whole(fcntl.LOCK_EX)", "whole(FREE)")}


@pytest.fixture
def rig(team_rig: DataRig) -> DataRig:
    return team_rig


@pytest.fixture
def start(rig: DataRig, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start a process of ann, of bob, or of bob beside the views, with a file of the test's own open."""
    path = f"{request.node.name.partition('[')[0]}"
    (rig.var.spaces / "ant" / path).write_bytes(b"x" * 4096)
    (rig.var.spaces / "ant" / path).chmod(0o666)
    with ExitStack() as stack:

        def begin(who: str, **flags: object) -> Standing:
            if who == "native":
                return stack.enter_context(Standing(Person(rig.records["bob"], rig.var.spaces / "ant"), path, **flags))
            return stack.enter_context(Standing(Person(rig.records[who], rig.var.views / who), f"teams/ant/{path}", **flags))

        yield begin


@pytest.fixture
def ann(start: Start) -> Standing:
    return start("ann")


@pytest.fixture
def bob(start: Start) -> Standing:
    return start("bob")


@pytest.fixture
def native(start: Start) -> Standing:
    return start("native")


def test_whoever_locks_a_range_keeps_all_others_out(start: Start, ann: Standing, bob: Standing, native: Standing) -> None:
    ann.do("lock(WRITE)")
    others = [bob, native, start("ann")]
    assert all(other.refused("lock(WRITE)") and other.refused("lock(READ)") for other in others)
    assert [other.do("answer = asked(WRITE)") for other in others] == [[1, 0, 0]] * 3
    assert ann.do("lock(WRITE); answer = asked(WRITE)") == [2, 0, 0]
    ann.do("lock(NONE)")
    native.do("lock(WRITE, 1000, 10)")
    assert ann.refused("lock(READ, 1005, 1)")
    assert ann.do("answer = asked(WRITE, 1005, 1)") == [1, 1000, 10]


def test_readers_share_and_a_writer_waits_for_the_last(ann: Standing, bob: Standing, native: Standing) -> None:
    for one in (ann, bob, native):
        one.do("lock(READ)")
    assert ann.refused("lock(WRITE)")
    bob.do("lock(NONE)")
    native.do("lock(NONE)")
    ann.do("lock(WRITE)")
    assert bob.refused("lock(READ)")
    ann.do("lock(READ)")
    bob.do("lock(READ)")


def test_ranges_are_kept_apart_to_the_byte(ann: Standing, bob: Standing, native: Standing) -> None:
    ann.do("lock(WRITE, 0, 100)")
    bob.do("lock(WRITE, 100, 100)")
    assert bob.refused("lock(WRITE, 99, 1)")
    ann.do("lock(NONE, 50, 10)")
    bob.do("lock(WRITE, 50, 10)")
    assert bob.refused("lock(WRITE, 49, 1)")
    assert native.refused("lock(WRITE, 60, 1)")
    bob.do("lock(WRITE, 1 << 62, 10)")
    assert ann.refused("lock(READ, (1 << 62) + 9, 1)")
    ann.do("lock(READ, (1 << 62) + 10, 0)")


def test_closing_any_descriptor_ends_the_locks_of_its_process(ann: Standing, bob: Standing) -> None:
    ann.do("files['g'] = os.open('/proc/self/fd/%d' % files['f'], os.O_RDWR); lock(WRITE, name='g')")
    assert bob.refused("lock(WRITE)")
    ann.do("close('f')")
    bob.do("lock(WRITE)")
    assert ann.refused("lock(WRITE, name='g')")


def test_child_has_no_locks_and_keeps_none(ann: Standing, bob: Standing) -> None:
    ann.do("lock(WRITE)")
    ann.do("pid = os.fork()\nif not pid: close(); os._exit(0)\nos.waitpid(pid, 0)")
    assert bob.refused("lock(WRITE)")
    ann.do("pid = os.fork()\nif not pid: time.sleep(20); os._exit(0)")
    ann.do("close()")
    bob.do("lock(WRITE)")
    ann.do("os.kill(pid, 9); os.waitpid(pid, 0)")


def test_killed_process_leaves_no_lock(ann: Standing, bob: Standing) -> None:
    ann.do("lock(WRITE); ")
    ann.kill()
    eventually(lambda: not bob.refused("lock(WRITE)"))


def test_reading_descriptor_takes_a_reader_s_lock_alone(start: Start, bob: Standing) -> None:
    reader = start("ann", flags=os.O_RDONLY)
    reader.do("lock(READ)")
    with pytest.raises(Failed, match="EBADF"):
        reader.do("lock(WRITE)")
    assert bob.refused("lock(WRITE)")
    reader.do("close()")
    bob.do("lock(WRITE)")


def test_locks_of_an_open_file_end_with_its_last_descriptor(ann: Standing, bob: Standing) -> None:
    ann.do("lock(WRITE, how=OFD_SETLK); files['h'] = os.dup(files['f']); close('f')")
    assert bob.refused("lock(WRITE)")
    assert bob.refused("lock(WRITE, how=OFD_SETLK)")
    ann.do("close('h')")
    eventually(lambda: not bob.refused("lock(WRITE)"))


def test_whole_file_is_locked_for_all(start: Start, ann: Standing, bob: Standing, native: Standing) -> None:
    ann.do("whole(ALONE)")
    assert bob.refused("whole(ALONE)")
    assert native.refused("whole(SHARED)")
    ann.do("files['g'] = os.open('/proc/self/fd/%d' % files['f'], os.O_RDWR)")
    assert ann.refused("whole(ALONE, 'g')")
    bob.do("lock(WRITE); lock(NONE)")
    ann.do("files['h'] = os.dup(files['f']); close('f')")
    assert bob.refused("whole(SHARED)")
    ann.do("whole(SHARED, 'h')")
    bob.do("whole(SHARED)")
    assert bob.refused("whole(ALONE)")
    bob.do("whole(FREE)")
    native.do("whole(SHARED); whole(FREE)")
    ann.do("whole(ALONE, 'h'); close('h')")
    eventually(lambda: not bob.refused("whole(ALONE)"))
    reader = start("ann", flags=os.O_RDONLY)
    bob.do("whole(FREE)")
    reader.do("whole(ALONE)")
    reader.kill()
    eventually(lambda: not bob.refused("whole(ALONE)"))


@pytest.mark.parametrize("kind", KINDS)
def test_waiting_ends_with_the_lock_and_holds_up_nobody(start: Start, ann: Standing, bob: Standing, kind: str) -> None:
    (take, wait, give), second = KINDS[kind], start("ann")
    ann.do(take)
    assert bob.waits(wait)
    assert second.waits(wait)
    began = time.monotonic()
    ann.do("answer = [os.stat('teams/ant').st_size, os.listdir('teams/ant')]")
    assert time.monotonic() - began < BOUND_SECONDS
    ann.do(give)
    first, other = in_order(bob, second)
    with pytest.raises(TimeoutError):
        other.hear(0.1)
    first.do(give)
    other.hear()


def in_order(bob: Standing, second: Standing) -> tuple[Standing, Standing]:
    """Return who has got what both wait for, and who waits on."""
    heard, _, _ = select.select([bob.channel, second.channel], [], [], BOUND_SECONDS)
    first, other = (bob, second) if bob.channel in heard else (second, bob)
    first.hear(BOUND_SECONDS)
    return first, other


@pytest.mark.parametrize("kind", KINDS)
def test_waiting_can_be_given_up(start: Start, ann: Standing, bob: Standing, native: Standing, kind: str) -> None:
    take, wait, give = KINDS[kind]
    ann.do(take)
    interrupted = """
        def stop(*_): raise OSError(errno.EINTR, 'by the clock')
        signal.signal(signal.SIGALRM, stop); signal.setitimer(signal.ITIMER_REAL, 0.1)
    """
    with pytest.raises(Failed, match="EINTR"):
        bob.do(f"{interrupted}\n        {wait}")
    other = start("bob")
    assert other.waits(wait)
    began = time.monotonic()
    other.kill()
    assert time.monotonic() - began < BOUND_SECONDS
    ann.do(give)
    native.do(f"{take}; {give}")


def test_lock_of_a_killed_process_goes_to_who_waits(ann: Standing, bob: Standing) -> None:
    ann.do("lock(WRITE)")
    assert bob.waits("wait(WRITE)")
    ann.kill()
    bob.hear(BOUND_SECONDS)


def test_killed_and_granted_at_once_leaves_no_lock_behind(start: Start, ann: Standing, native: Standing) -> None:
    for turn in range(12):
        ann.do("lock(WRITE)")
        waiter = start("bob")
        waiter.say("wait(WRITE)")
        time.sleep(0.002 * (turn % 5))
        for step in (lambda: ann.do("lock(NONE)"), waiter.kill) if turn % 2 else (waiter.kill, lambda: ann.do("lock(NONE)")):
            step()
        eventually(lambda: not native.refused("lock(WRITE)"))
        native.do("lock(NONE)")


def test_too_many_waiters_are_told_so(start: Start, ann: Standing, bob: Standing) -> None:
    ann.do("lock(WRITE)")
    found = bob.do("""
        def one():
            try: wait(WRITE)
            except OSError as error: told.append(error.errno)
        told = []
        crowd = [threading.Thread(target=one, daemon=True) for _ in range(270)]
        for thread in crowd: thread.start()
        end = time.monotonic() + 20
        while len(told) < 14 and time.monotonic() < end: time.sleep(0.02)
        answer = [len(told), set(told) == {errno.ENOLCK}]
    """)
    assert found == [14, True]
    assert ann.do("answer = os.listdir('teams/ant') != []")
    bob.kill()
    ann.do("lock(NONE)")
    eventually(lambda: not ann.refused("lock(WRITE)"))


def test_reader_of_a_release_is_kept_out_by_nobody_else_s_lock(rig: DataRig) -> None:
    path = "releases/sky/dr1/catalogue.txt"
    people = [Person(rig.records[name], rig.var.views / name) for name in ("ann", "ann", "bob")]
    with ExitStack() as stack:
        ann, second, bob = (stack.enter_context(Standing(one, path, flags=os.O_RDONLY)) for one in people)
        ann.do("whole(ALONE)")
        assert second.refused("whole(SHARED)")
        bob.do("whole(ALONE)")
        ann.do("lock(READ)")
        assert second.do("answer = asked(WRITE)") == [0, 0, 0]
        assert bob.do("answer = asked(WRITE)") == [2, 0, 0]
        ann.do("close()")
        eventually(lambda: not second.refused("whole(ALONE)"))


SQLITE = """
    db = sqlite3.connect('teams/ant/DB', timeout=60, isolation_level=None)
    done = 0
    for _ in range(turns):
        db.execute('begin immediate')
        value, = db.execute('select v from t').fetchone()
        db.execute('update t set v = ?', (value + 1,)); db.execute('insert into log values (?, ?)', (value, os.getpid()))
        db.execute('commit'); done += 1
    answer = done
"""


def test_every_row_of_two_writers_in_two_views_is_there(rig: DataRig) -> None:
    turns = 150
    ann, bob = (Person(rig.records[name], rig.var.views / name) for name in ("ann", "bob"))
    ann.do("""
        db = sqlite3.connect('teams/ant/DB')
        db.execute('create table t (v)'); db.execute('create table log (v, p)'); db.execute('insert into t values (0)'); db.commit()
    """)
    with ann.start(SQLITE, turns=turns) as one, bob.start(SQLITE, turns=turns) as other:
        said = [child.communicate(timeout=90) for child in (one, other)]
    assert [out for out, _ in said] == [f'{{"answer": {turns}}}\n'] * 2, said
    found = bob.do("""
        db = sqlite3.connect('teams/ant/DB')
        answer = [*db.execute('select v, (select count(*) from log), (select count(distinct v) from log) from t').fetchone()]
        answer += [db.execute('pragma integrity_check').fetchall()]
    """)
    assert found == [2 * turns, 2 * turns, 2 * turns, [["ok"]]]


@pytest.mark.parametrize("shared", ["", "--shared=group"])
def test_two_people_commit_to_one_repository(rig: DataRig, shared: str) -> None:
    ann, bob = (Person(rig.records[name], rig.var.views / name) for name in ("ann", "bob"))
    repo = f"repo{shared}"
    ann.sh(f"cd teams/ant && git init -q {shared} {repo} && git -C {repo} config receive.denyCurrentBranch ignore")
    as_in_a_server = "export HOME=/nowhere " + " ".join(f"{name}='{value}'" for name, value in GIT.items())
    commit = f"""
        {as_in_a_server}; cd teams/ant/{repo}
        for n in 1 2 3 4 5 6; do
          echo $n >WHO-$n
          until git add WHO-$n && git -c user.name=WHO -c user.email=WHO@example.org commit -qm "WHO $n" WHO-$n; do sleep 0.05; done
        done 2>/dev/null
    """
    with ann.spawn(["sh", "-c", commit.replace("WHO", "ann")]) as one, bob.spawn(["sh", "-c", commit.replace("WHO", "bob")]) as other:
        assert [one.wait(60), other.wait(60)] == [0, 0]
    log = bob.sh(f"{as_in_a_server}; cd teams/ant/{repo} && git log --format=%s && git fsck --strict 2>&1")
    assert sorted(log.split("\n")[:12]) == sorted(f"{who} {n}" for who in ("ann", "bob") for n in range(1, 7))


def test_directories_are_not_the_worker_s_to_lock(rig: DataRig) -> None:
    ann = Person(rig.records["ann"], rig.var.views / "ann")
    ann.do("fd = os.open('teams/ant', os.O_RDONLY); fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)")


def test_worker_keeps_no_descriptor_of_what_was_closed(rig: DataRig) -> None:
    held = Path("/proc", str(rig.worker("ann")), "fd")
    ann = Person(rig.records["ann"], rig.var.views / "ann")
    code = """
        for n in range(50):
            with open('teams/ant/many', 'a') as f:
                fcntl.lockf(f, fcntl.LOCK_EX); fcntl.flock(f, fcntl.LOCK_EX)
    """
    ann.do(code)
    before = len(os.listdir(held))
    ann.do(code)
    eventually(lambda: len(os.listdir(held)) <= before)


def replaced(rig: DataRig, name: str) -> None:
    """Kill a worker, and return once the next one serves."""
    before = rig.worker(name)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: rig.worker(name) != before, 20)


def test_locks_outlive_the_worker(rig: DataRig, start: Start, ann: Standing, bob: Standing, native: Standing) -> None:
    ann.do("lock(WRITE, 0, 100); files['g'] = os.open('/proc/self/fd/%d' % files['f'], os.O_RDWR); whole(ALONE, 'g')")
    replaced(rig, "ann")
    assert native.refused("lock(WRITE, 99, 1)")
    assert bob.refused("whole(SHARED)")
    bob.do("lock(WRITE, 100, 100)")
    assert start("ann").refused("lock(WRITE, 0, 1)")
    replaced(rig, "ann")
    ann.do("lock(WRITE, 0, 50); whole(SHARED, 'g')")
    bob.do("whole(SHARED)")
    assert native.refused("lock(WRITE, 49, 1)")
    ann.do("close('f'); close('g')")
    native.do("lock(WRITE, 0, 100)")
    eventually(lambda: not bob.refused("whole(ALONE)"))


def test_who_waits_waits_on_and_gets_it_from_the_next_worker(rig: DataRig, ann: Standing, bob: Standing) -> None:
    ann.do("lock(WRITE)")
    assert bob.waits("wait(WRITE)")
    replaced(rig, "bob")
    with pytest.raises(TimeoutError):
        bob.hear(0.2)
    ann.do("lock(NONE)")
    bob.hear(BOUND_SECONDS)
    assert ann.refused("lock(WRITE)")
    bob.kill()
    eventually(lambda: not ann.refused("lock(WRITE)"))


def test_lock_of_a_file_without_a_name_outlives_the_worker(rig: DataRig, ann: Standing, bob: Standing) -> None:
    ann.do("lock(WRITE); path = '/proc/self/fd/%d' % files['f']; files['g'] = os.open(path, os.O_RDWR); os.unlink(os.readlink(path))")
    replaced(rig, "ann")
    assert bob.refused("lock(READ)")
    assert ann.do("answer = [os.pread(files['f'], 2, 0).decode(), os.fstat(files['f']).st_nlink]") == ["xx", 0]
    ann.kill()
    eventually(lambda: not bob.refused("lock(WRITE)"))
