"""Locks: fcntl(2), flock(2) and locks of an open file, between two processes and two views."""

import time

import pytest

from tests.support.data_rig import Failed
from tests.support.places import Place

pytestmark = [pytest.mark.root, pytest.mark.fuse]

# What both processes of a check say of locks. `tried` tells the errno, or 'held'.
LOCKS = """
def tried(act, *arguments):
    try: act(*arguments)
    except OSError as error: return errno.errorcode[error.errno]
    return 'held'
def posix(fd, kind, start=0, size=0): return tried(fcntl.lockf, fd, kind | (fcntl.LOCK_NB if kind != fcntl.LOCK_UN else 0), size, start)
def flock(fd, kind): return tried(fcntl.flock, fd, kind | fcntl.LOCK_NB)
def ask(fd, command, kind, start=0, size=0, pid=0):
    return struct.unpack('hhqqi', fcntl.fcntl(fd, command, struct.pack('hhqqi', kind, 0, start, size, pid) + bytes(4))[:28])
def ofd(fd, kind, start=0, size=0): return tried(ask, fd, fcntl.F_OFD_SETLK, kind, start, size)
EX, SH, UN, READ, WRITE, FREE = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
def opened(flags=os.O_CREAT | os.O_RDWR): return os.open('a', flags, 0o660)
def until(sign):
    while not os.path.exists(sign): time.sleep(0.005)
"""


def held(pair: Place, take: str, others: str) -> object:
    """Return what the other process found in `answer` while the first had what it took."""
    pair.begin(LOCKS + take + "\nPath('taken').touch(); until('enough')")
    found = pair.then(LOCKS + "until('taken')\n" + others + "\nPath('enough').touch()")
    pair.one.finish()
    return found


def test_exclusive_lock_keeps_the_other_out_and_shared_ones_do_not(pair: Place) -> None:
    asked = "fd = opened(); answer = [posix(fd, EX), posix(fd, SH)]"
    assert held(pair, "fd = opened(); posix(fd, EX)", asked) == ["EAGAIN", "EAGAIN"]
    pair.do("os.unlink('taken'); os.unlink('enough')")
    assert held(pair, "fd = opened(); posix(fd, SH)", asked) == ["EAGAIN", "held"]


def test_locks_are_of_the_bytes_they_name(pair: Place) -> None:
    found = held(
        pair,
        "fd = opened(); posix(fd, EX, 100, 50); posix(fd, EX, 1 << 40, 0); posix(fd, SH, 0, 10)",
        "fd = opened()\nanswer = [posix(fd, EX, *at) for at in ((10, 90), (150, 1000), (99, 2), (149, 1), (5, 1), (1 << 50, 1), (100, 9))]",
    )
    assert found == ["held", "held", *["EAGAIN"] * 5]


def test_part_of_a_lock_is_given_back(pair: Place) -> None:
    found = held(
        pair,
        "fd = opened(); posix(fd, EX, 0, 100); posix(fd, UN, 40, 20); posix(fd, SH, 0, 10)",
        """
fd = opened(); answer = [posix(fd, EX, *at) for at in ((40, 20), (39, 1), (60, 1))] + [posix(fd, SH, 0, 10), posix(fd, SH, 10, 1)]
""",
    )
    assert found == ["held", "EAGAIN", "EAGAIN", "held", "EAGAIN"]


def test_who_asks_is_told_which_lock_is_in_the_way(pair: Place) -> None:
    found = held(
        pair,
        "fd = opened(); posix(fd, EX, 100, 50)",
        """
fd = opened(); answer = []
for at in ((0, 100), (0, 0), (120, 1)):
    kind, whence, start, size, pid = ask(fd, fcntl.F_GETLK, READ, *at)
    answer.append([kind] if kind == FREE else [kind, whence, start, size, pid != os.getpid()])
""",
    )
    assert found == [[2], [1, 0, 100, 50, True], [1, 0, 100, 50, True]]


def test_closing_any_descriptor_of_the_file_gives_its_locks_back(pair: Place) -> None:
    found = held(pair, "fd = opened(); posix(fd, EX); os.close(opened(os.O_RDONLY))", "fd = opened(); answer = posix(fd, EX)")
    assert found == "held"


def test_locks_are_not_the_childs(pair: Place) -> None:
    found = held(
        pair,
        """
fd = opened(); posix(fd, EX); pid = os.fork()
if not pid:
    os.close(fd); os._exit(0)
os.waitpid(pid, 0)
""",
        "fd = opened(); answer = posix(fd, EX)",
    )
    assert found == "EAGAIN"


@pytest.mark.parametrize("kind", ["posix(fd, EX)", "flock(fd, EX)", "ofd(fd, WRITE)"])
def test_locks_end_with_the_process(pair: Place, kind: str) -> None:
    found = pair.do(LOCKS + f"""
Path('a').touch(); pid = os.fork()
if not pid:
    fd = opened(); {kind}; Path('taken').touch(); time.sleep(60); os._exit(0)
until('taken'); fd = opened(); answer = [{kind}]; os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
""")  # fmt: skip
    assert found == ["EAGAIN"]
    assert pair.then(LOCKS + f"fd = opened(); answer = {kind}") == "held"


def test_flock_is_of_the_open_file(pair: Place) -> None:
    found = held(
        pair,
        """
fd = opened(); flock(fd, EX); other = os.dup(fd); os.close(fd); pid = os.fork()
if not pid: os._exit(0)
os.waitpid(pid, 0)
assert flock(opened(), SH) == 'EAGAIN'
""",
        "fd = opened(); answer = [flock(fd, EX), flock(fd, SH)]",
    )
    assert found == ["EAGAIN", "EAGAIN"]


def test_flock_is_shared_taken_up_and_given_back(pair: Place) -> None:
    assert held(pair, "fd = opened(); flock(fd, SH)", "fd = opened(); answer = [flock(fd, SH), flock(fd, EX), flock(fd, UN)]") == [
        "held",
        "EAGAIN",
        "held",
    ]
    found = pair.do(
        LOCKS + "one, two = opened(), opened(); answer = [flock(one, EX), flock(two, SH), flock(one, UN), flock(two, EX), flock(one, SH)]"
    )
    assert found == ["held", "EAGAIN", "held", "held", "EAGAIN"]


def test_locks_of_open_files_are_kept_apart_within_a_process(pair: Place) -> None:
    found = pair.do(LOCKS + """
one, two = opened(), opened()
answer = [ofd(one, WRITE, 0, 10), ofd(two, WRITE, 10, 10), ofd(two, WRITE, 9, 1), ofd(two, READ, 0, 1), posix(one, EX, 5, 1)]
os.close(opened()); answer += [ofd(two, WRITE, 0, 1), ofd(one, FREE, 0, 5), ofd(two, WRITE, 0, 5), ofd(two, WRITE, 5, 1)]
""")  # fmt: skip
    assert found == ["held", "held", "EAGAIN", "EAGAIN", "EAGAIN", "EAGAIN", "held", "held", "EAGAIN"]
    asked = "fd = opened(); answer = [posix(fd, EX, 9, 1), ofd(fd, READ, 9, 1), ofd(fd, WRITE, 10, 0)]"
    assert held(pair, "fd = opened(); ofd(fd, WRITE, 0, 10)", asked) == ["EAGAIN", "EAGAIN", "held"]


def test_two_kinds_of_lock_do_not_know_each_other(pair: Place) -> None:
    assert held(pair, "fd = opened(); flock(fd, EX)", "fd = opened(); answer = posix(fd, EX)") == "held"


@pytest.mark.parametrize(
    ("act", "errno"),
    [
        ("fcntl.lockf(opened(os.O_RDONLY), EX | fcntl.LOCK_NB)", "EBADF"),
        ("fcntl.lockf(opened(os.O_WRONLY), SH | fcntl.LOCK_NB)", "EBADF"),
        ("ask(opened(), fcntl.F_SETLK, 7)", "EINVAL"),
        ("ask(opened(), fcntl.F_SETLK, WRITE, -5, 1)", "EINVAL"),
        ("ask(opened(), fcntl.F_OFD_SETLK, WRITE, 0, 0, 1)", "EINVAL"),
        ("fcntl.flock(opened(), 77)", "EINVAL"),
        ("fcntl.flock(os.open('a', os.O_PATH), EX)", "EBADF"),
    ],
)
def test_lock_that_cannot_be_is_refused(place: Place, act: str, errno: str) -> None:
    with pytest.raises(Failed, match=errno):
        place.do(LOCKS + "opened()\n" + act)


WAITS = {
    "posix": ("fcntl.lockf(fd, EX)", "posix(fd, EX)"),
    "flock": ("fcntl.flock(fd, EX)", "flock(fd, EX)"),
    "open file": ("ask(fd, fcntl.F_OFD_SETLKW, WRITE)", "ofd(fd, WRITE)"),
}


@pytest.mark.parametrize("kind", WAITS)
def test_who_waits_has_the_lock_when_it_is_given_back(pair: Place, kind: str) -> None:
    wait, take = WAITS[kind]
    pair.do("Path('a').touch()")
    pair.begin(LOCKS + f"until('taken'); fd = opened(); Path('asks').touch(); {wait}; answer = time.monotonic()")
    gave = pair.then(LOCKS + f"""
fd = opened(); assert {take} == 'held'
Path('taken').touch(); until('asks'); time.sleep(0.1); answer = time.monotonic(); os.close(fd)
""")  # fmt: skip
    assert gave <= pair.one.finish() < gave + 5


@pytest.mark.parametrize("kind", WAITS)
def test_who_waits_is_interrupted(pair: Place, kind: str) -> None:
    wait, take = WAITS[kind]
    waits = f"""
class Enough(Exception): pass
def enough(*_): raise Enough
signal.signal(signal.SIGALRM, enough); signal.setitimer(signal.ITIMER_REAL, 0.1)
begun = time.monotonic(); fd = opened()
try: {wait}
except Enough: answer = time.monotonic() - begun
finally: signal.setitimer(signal.ITIMER_REAL, 0); signal.signal(signal.SIGALRM, signal.SIG_DFL)
"""
    found = held(pair, f"fd = opened(); assert {take} == 'held'", waits)
    assert isinstance(found, float)
    assert 0.1 <= found < 5
    # The kernel gives back the lock of a closed file after close(2) has returned.
    free = f"""
fd = opened(); late = time.monotonic() + 5
while (answer := {take}) != 'held' and time.monotonic() < late: time.sleep(0.01)
"""
    assert pair.then(LOCKS + free) == "held"


@pytest.mark.parametrize("kind", WAITS)
def test_counter_under_a_lock_counts_every_turn(pair: Place, kind: str) -> None:
    pair.do("Path('a').write_text('0')")
    wait, _ = WAITS[kind]
    code = (
        LOCKS
        + f"""
for _ in range(100):
    fd = opened(); {wait}
    count = int(os.pread(fd, 20, 0)); os.pwrite(fd, b'%d' % (count + 1), 0); os.close(fd)
"""
    )
    began = time.monotonic()
    pair.begin(code)
    pair.then(code)
    pair.one.finish()
    assert pair.do("answer = Path('a').read_text()") == "200", time.monotonic() - began
