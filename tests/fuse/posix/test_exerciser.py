"""Random operations of two writers and a reader in three views of one space, against the same ones in a native directory.

What one did, the next has, whoever that is: contents at its next opening, names and sizes at once. A handle that was opened
before is only asked for what its own view wrote since: more is promised to nobody.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.support.places import Places
from tests.support.resident import Resident

pytestmark = [pytest.mark.root, pytest.mark.fuse]

PLAYER = """
os.umask(0o002)
libc = ctypes.CDLL(None, use_errno=True)
held, touched = {}, []
def checked(n):
    if n < 0: raise OSError(ctypes.get_errno(), 'failed')
    return n
@contextlib.contextmanager
def opened(path, flags=os.O_RDWR):
    fd = os.open(path, flags, 0o660)
    try:
        if flags & os.O_ACCMODE: touched.append(os.fstat(fd).st_ino)
        yield fd
    finally: os.close(fd)
def digest(data): return [len(data), hashlib.sha256(data).hexdigest()[:12]]
def noise(seed, size): return random.Random(seed).randbytes(size)
def create(path):
    with opened(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY): pass
def read(path):
    with opened(path, os.O_RDONLY) as fd: return digest(os.pread(fd, 1 << 22, 0)), os.fstat(fd).st_size
def write(path, at, seed, size):
    with opened(path) as fd: return os.pwrite(fd, noise(seed, size), at)
def append(path, seed, size):
    with opened(path, os.O_WRONLY | os.O_APPEND) as fd: return os.write(fd, noise(seed, size))
def empty(path):
    with opened(path, os.O_WRONLY | os.O_TRUNC): pass
def truncate(path, size):
    with opened(path) as fd: os.ftruncate(fd, size)
def mapped(path, at, seed, size):
    with opened(path) as fd:
        total = os.fstat(fd).st_size
        if at + size > total: return 'short'
        with mmap.mmap(fd, total) as m: m[at:at + size] = noise(seed, size); m.flush()
def fallocate(path, mode, at, size):
    with opened(path) as fd: return checked(libc.fallocate(fd, mode, ctypes.c_int64(at), ctypes.c_int64(size)))
def copy(old, new, at, to, size):
    with opened(old, os.O_RDONLY) as src, opened(new) as dst:
        done = 0
        while done < size and (n := os.copy_file_range(src, dst, size - done, at + done, to + done)): done += n
        return done
def rename(old, new, flags): return checked(libc.renameat2(-100, old.encode(), -100, new.encode(), flags))
def look(path):
    st = os.lstat(path); kind = stat.S_IFMT(st.st_mode)
    return [kind, st.st_nlink, st.st_size if kind == stat.S_IFREG else 0, os.readlink(path) if kind == stat.S_IFLNK else '']
def note(path, name, size): os.setxattr(path, name, bytes(size))
def notes(path): return sorted((name, len(os.getxattr(path, name))) for name in os.listxattr(path) if name.startswith('user.'))
def date(path, ns): os.utime(path, ns=(ns, ns), follow_symlinks=False); return os.lstat(path).st_mtime_ns
def hold(hand, path, flags):
    fd = os.open(path, flags)
    if hand in held: os.close(held.pop(hand))
    held[hand] = fd; return os.fstat(fd).st_ino
def write_held(hand, at, seed, size):
    touched.append(os.fstat(held[hand]).st_ino); return os.pwrite(held[hand], noise(seed, size), at)
def truncate_held(hand, size):
    touched.append(os.fstat(held[hand]).st_ino); os.ftruncate(held[hand], size)
def read_held(hand): return digest(os.pread(held[hand], 1 << 22, 0)), os.fstat(held[hand]).st_size
def let_go(hand): os.close(held.pop(hand))
def walk():
    found = []
    for top, folders, files in os.walk('.'):
        folders.sort()
        for name in sorted(folders + files):
            path = os.path.join(top, name); found.append([path, look(path)])
            if stat.S_ISREG(os.lstat(path).st_mode): found[-1].append(read(path))
    return found
OPERATIONS = {f.__name__: f for f in (create, read, write, append, empty, truncate, mapped, fallocate, copy, rename, look, note, notes,
                                      date, hold, write_held, truncate_held, read_held, let_go, walk)}
OPERATIONS |= {'mkdir': os.mkdir, 'rmdir': os.rmdir, 'unlink': os.unlink, 'link': lambda a, b: os.link(a, b, follow_symlinks=False),
               'symlink': os.symlink, 'list': lambda path: sorted(os.listdir(path)), 'remove_note': os.removexattr}
def play(operation, *arguments):
    touched.clear()
    try: return [OPERATIONS[operation](*arguments), touched]
    except OSError as error: return [errno.errorcode[error.errno], touched]
"""
PATHS = st.sampled_from(["a", "b", "d", "e", "d/a", "d/b", "d/d", "e/a", "d/d/a"])
WRITERS = st.sampled_from(["ann", "bob"])
EVERYBODY = st.sampled_from(["ann", "bob", "cleo"])
HANDS = st.integers(0, 2)
SIZES = st.sampled_from([0, 1, 17, 512, 4095, 4096, 4097, 9000, 40_000, 140_000])
SEEDS = st.integers(0, 1 << 16)
NOTES = st.sampled_from(["user.a", "user.b"])
# As they are, keeping the size, punching, zeroing: FUSE knows no others.
MODES = st.sampled_from([0, 1, 3, 0x10, 0x11])
REPLACE, NOREPLACE, EXCHANGE = 0, 1, 2


class ThreeViews(RuleBasedStateMachine):
    """Plays each operation in somebody's view and in a native directory, and holds what came of it to be the same."""

    places: Places
    players: dict[str, Resident]

    @initialize()
    def begin(self) -> None:
        place = self.places.place("two views")
        self.at = {"native": self.places.place("native directory").at} | dict.fromkeys(("ann", "bob", "cleo"), place.at)
        self.held: dict[tuple[str, int], int] = {}
        self.stale: set[tuple[str, int]] = set()
        place.do("os.chmod('.', 0o2770)")
        for who, player in self.players.items():
            player.do("for fd in held.values(): os.close(fd)\nheld.clear()", self.at[who])
        for who, act, path in (("ann", "mkdir", "d"), ("bob", "mkdir", "d/d"), ("ann", "create", "a"), ("bob", "create", "d/a")):
            self.both(who, act, path)

    def played(self, who: str, *operation: object) -> tuple[Any, list[int]]:
        """Play it there, and return what came of it and which files were written to."""
        result, touched = self.players[who].do("answer = play(*operation)", self.at[who], operation=operation)
        return result, touched

    def both(self, who: str, name: str, *arguments: object) -> Any:
        """Play it in somebody's view and natively, where every hand has a number of its own."""
        mine = self.played(who, name, *arguments)[0]
        if name == "mapped" and mine == "ENODEV":  # a shared mapping of what is open in another view is refused
            return mine
        if "held" in name or name in {"hold", "let_go"}:
            arguments = (f"{who}{arguments[0]}", *arguments[1:])
        native, touched = self.played("native", name, *arguments)
        for (whose, hand), ino in self.held.items():
            if ino in touched and whose != who:
                self.stale.add((whose, hand))
        assert name == "hold" or mine == native, (who, name, arguments, mine, native)
        return native

    @rule(who=WRITERS, path=PATHS)
    def create(self, who, path):
        self.both(who, "create", path)

    @rule(who=WRITERS, path=PATHS, at=SIZES, seed=SEEDS, size=SIZES)
    def write(self, who, path, at, seed, size):
        self.both(who, "write", path, at, seed, size)

    @rule(who=WRITERS, path=PATHS, seed=SEEDS, size=SIZES)
    def append(self, who, path, seed, size):
        self.both(who, "append", path, seed, size)

    @rule(who=WRITERS, path=PATHS, size=SIZES)
    def truncate(self, who, path, size):
        self.both(who, "truncate", path, size)

    @rule(who=WRITERS, path=PATHS)
    def empty(self, who, path):
        self.both(who, "empty", path)

    @rule(who=WRITERS, path=PATHS, at=SIZES, seed=SEEDS, size=SIZES.filter(bool))
    def mapped(self, who, path, at, seed, size):
        self.both(who, "mapped", path, at, seed, size)

    @rule(who=WRITERS, path=PATHS, mode=MODES, at=SIZES, size=SIZES)
    def fallocate(self, who, path, mode, at, size):
        self.both(who, "fallocate", path, mode, at, size)

    @rule(who=WRITERS, old=PATHS, new=PATHS, at=SIZES, to=SIZES, size=SIZES)
    def copy(self, who, old, new, at, to, size):
        self.both(who, "copy", old, new, at, to, size)

    @rule(who=WRITERS, old=PATHS, new=PATHS, flags=st.sampled_from([REPLACE, REPLACE, NOREPLACE, EXCHANGE]))
    def rename(self, who, old, new, flags):
        self.both(who, "rename", old, new, flags)

    @rule(who=WRITERS, act=st.sampled_from(["mkdir", "rmdir", "unlink"]), path=PATHS)
    def make_or_remove(self, who, act, path):
        self.both(who, act, path)

    @rule(who=WRITERS, act=st.sampled_from(["link", "symlink"]), old=PATHS, new=PATHS)
    def link(self, who, act, old, new):
        self.both(who, act, old, new)

    @rule(who=WRITERS, path=PATHS, name=NOTES, size=st.integers(0, 100))
    def note(self, who, path, name, size):
        self.both(who, "note", path, name, size)

    @rule(who=WRITERS, path=PATHS, name=NOTES)
    def remove_note(self, who, path, name):
        self.both(who, "remove_note", path, name)

    @rule(who=WRITERS, hand=HANDS, path=PATHS, flags=st.sampled_from([0, 2, 0o2002]))
    def hold(self, who, hand, path, flags):
        ino = self.both(who, "hold", hand, path, flags)
        if isinstance(ino, int):
            self.held[who, hand] = ino
            self.stale.discard((who, hand))

    @rule(who=WRITERS, hand=HANDS, at=SIZES, seed=SEEDS, size=SIZES)
    def write_held(self, who, hand, at, seed, size):
        if (who, hand) in self.held:
            self.both(who, "write_held", hand, at, seed, size)

    @rule(who=WRITERS, hand=HANDS, size=SIZES)
    def truncate_held(self, who, hand, size):
        if (who, hand) in self.held:
            self.both(who, "truncate_held", hand, size)

    @rule(who=WRITERS, hand=HANDS)
    def read_held(self, who, hand):
        if (who, hand) in self.held and (who, hand) not in self.stale:
            self.both(who, "read_held", hand)

    @rule(who=WRITERS, hand=HANDS)
    def let_go(self, who, hand):
        if self.held.pop((who, hand), None) is not None:
            self.both(who, "let_go", hand)

    @rule(who=EVERYBODY, act=st.sampled_from(["read", "look", "notes", "list"]), path=PATHS)
    def see(self, who, act, path):
        self.both(who, act, path)

    @rule(who=EVERYBODY)
    def walk(self, who):
        self.both(who, "walk")

    def teardown(self) -> None:
        if hasattr(self, "at"):
            for who in ("ann", "bob", "cleo"):
                self.both(who, "walk")


def test_what_two_write_in_two_views_is_what_a_third_reads(places: Places, request: pytest.FixtureRequest) -> None:
    players = {who: places.keeper_of_things(who) for who in ("native", "ann", "bob", "cleo")}
    for player in players.values():
        player.do(PLAYER)
    machine = type("ThreeViewsHere", (ThreeViews,), {"places": places, "players": players})
    examples, steps = (150, 80) if request.config.getoption("--long") else (12, 40)
    how = settings(max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=how)
