"""The disk below a space: full, failing, changed behind the view's back. What was acknowledged is there, and the view goes on."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.data_rig import DataRig, Person, eventually
from tests.support.disk import NEEDS, Disk, small_disk
from tests.support.resident import Resident

pytestmark = [
    pytest.mark.root,
    pytest.mark.fuse,
    pytest.mark.skipif(
        not all(map(shutil.which, NEEDS)) or not Path("/dev/loop-control").exists(), reason="needs mkfs.ext4 and loop devices"
    ),
]
MakeHome = Callable[..., Disk]


@pytest.fixture
def home_on(rig: DataRig, tmp_path: Path) -> Iterator[MakeHome]:
    """Put ann's home on a disk of its own; call it before her view is mounted."""
    with contextlib.ExitStack() as disks:

        def on(size: str, *more: str) -> Disk:
            home = rig.var.homes / "ann"
            home.mkdir(parents=True)
            disk = disks.enter_context(small_disk(home, tmp_path / "below", size, *more))
            os.chown(home, 611001, 611001)
            home.chmod(0o700)
            shutil.rmtree(home / "lost+found")
            return disk

        yield on


def serves(rig: DataRig, ann: Person, worker: int) -> None:
    """Assert that the worker is the one it was and does its work."""
    assert rig.worker("ann") == worker
    assert ann.do("answer = Path('releases/sky/dr1/catalogue.txt').read_text()") == "stars of dr1\n"
    assert "Traceback" not in rig.log.read_text()


def test_full_disk_says_so_and_keeps_what_was_acknowledged(rig: DataRig, home_on: MakeHome) -> None:
    disk = home_on("8")
    ann = rig.mount("ann")
    worker = rig.worker("ann")
    found = ann.do("""
        os.chdir('home'); done, piece = 0, random.Random(1).randbytes(1 << 20)
        fd = os.open('f', os.O_CREAT | os.O_RDWR)
        try:
            while True: done += os.write(fd, piece[done % (1 << 20):])
        except OSError as error: answer = [errno.errorcode[error.errno]]
        os.fsync(fd); data = os.pread(fd, 1 << 24, 0)
        answer += [len(data) >= done, data[:done] == (piece * 8)[:done], done > 4 << 20]
        for act in (lambda: os.write(fd, bytes(1 << 20)) < 1 << 20, lambda: os.posix_fallocate(fd, 0, 1 << 24)):
            try: answer.append(act())
            except OSError as error: answer.append(errno.errorcode[error.errno])
        os.pwrite(fd, b'over what is there', 0); os.truncate('f', 1 << 20)
        answer.append([os.write(os.open('g', os.O_CREAT | os.O_WRONLY), bytes(1 << 20)), Path('f').read_bytes()[:18].decode()])
    """)
    assert found == ["ENOSPC", True, True, True, found[4], "ENOSPC", [1 << 20, "over what is there"]]
    assert found[4] in {True, "ENOSPC"}  # a last piece may still find room
    assert (disk.top / "f").stat().st_size == 1 << 20
    serves(rig, ann, worker)


def test_disk_without_room_for_another_file_says_so(rig: DataRig, home_on: MakeHome) -> None:
    home_on("4", "100%", "-N", "32")
    ann = rig.mount("ann")
    worker = rig.worker("ann")
    found = ann.do("""
        os.chdir('home'); made = 0
        try:
            while True: Path(f'f{made}').touch(); made += 1
        except OSError as error: answer = [errno.errorcode[error.errno]]
        for act in (lambda: os.mkdir('d'), lambda: os.symlink('x' * 200, 'l'), lambda: os.mkfifo('p')):
            try: act(); answer.append('done')
            except OSError as error: answer.append(errno.errorcode[error.errno])
        os.link('f0', 'again'); os.rename('f1', 'moved'); os.unlink('f2'); os.mkdir('d')
        answer.append([len(os.listdir('.')) == made + 1, os.stat('again').st_nlink])
    """)
    assert found == [*["ENOSPC"] * 4, [True, 2]]
    serves(rig, ann, worker)


def test_map_that_finds_no_room_is_told_at_the_latest_when_it_is_synced(rig: DataRig, home_on: MakeHome) -> None:
    home_on("4")
    ann = rig.mount("ann")
    worker = rig.worker("ann")
    found = ann.do("""
        os.chdir('home'); f = open('f', 'w+b'); f.truncate(16 << 20)
        pid = os.fork()
        if not pid:
            with mmap.mmap(f.fileno(), 16 << 20) as m:
                for at in range(0, 16 << 20, 4096): m[at] = 1
                try: m.flush()
                except OSError as error: os._exit(error.errno)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        answer = 'bus error' if code == -signal.SIGBUS else errno.errorcode.get(code, code)
    """)
    assert found in {"ENOSPC", "EIO", "bus error"}
    serves(rig, ann, worker)


def test_sync_fails_where_the_disk_cannot_keep_it(rig: DataRig, home_on: MakeHome) -> None:
    home_on("32", "3m")
    ann = rig.mount("ann")
    worker = rig.worker("ann")
    found = ann.do("""
        fd, synced = os.open('home/f', os.O_CREAT | os.O_RDWR), 0
        try:
            for _ in range(8): os.write(fd, os.urandom(1 << 20)); os.fsync(fd); synced += 1
        except OSError as error: answer = [errno.errorcode[error.errno], synced]
    """)
    assert found[0] in {"EIO", "ENOSPC"}
    assert found[1] < 6  # of eight, on room for about three
    serves(rig, ann, worker)


def test_what_the_disk_lost_is_an_error_and_nothing_else_is_lost(rig: DataRig, home_on: MakeHome) -> None:
    disk = home_on("16")
    ann = rig.mount("ann")
    worker = rig.worker("ann")
    ann.do("""
        for name in ('held', 'other'):
            with open(f'home/{name}', 'wb') as f: f.write(random.Random(1).randbytes(4 << 20)); os.fsync(f.fileno())
    """)
    assert rig.order(op="unmount", user="ann")["ok"]
    os.sync()
    disk.lose(1 << 20)
    ann = rig.mount("ann")
    worker = rig.worker("ann")
    found = ann.do("""
        answer = []
        for name in ('held', 'other'):
            data, fd = random.Random(1).randbytes(4 << 20), os.open(f'home/{name}', os.O_RDONLY)
            for at in range(0, 4 << 20, 1 << 18):
                try: answer.append(os.pread(fd, 1 << 18, at) == data[at:at + (1 << 18)])
                except OSError as error: answer.append(errno.errorcode[error.errno])
    """)
    assert "EIO" in found
    assert False not in found
    serves(rig, ann, worker)


READS = """
    path = 'releases/sky/dr2/cubes/deep.fits'; fd = os.open(path, os.O_RDONLY); answer = [os.pread(fd, 6, 1 << 19).hex()]
    Path('home/opened').touch()
    while not os.path.exists('home/changed'): time.sleep(0.01)
    for act in (lambda: os.pread(fd, 6, 0), lambda: os.pread(fd, 6, 1 << 19), lambda: Path(path).read_bytes()[:6]):
        try: answer.append(act().hex())
        except OSError as error: answer.append(errno.errorcode[error.errno])
"""
OLD, NEW = bytes(range(6)).hex(), b"newest".hex()


def read_while(rig: DataRig, ann: Person, change: Callable[[Path], object]) -> list[str]:
    """Return what one finds in a released file before it is changed on the disk, and after: as it was opened, and anew."""
    worker = rig.worker("ann")
    with contextlib.closing(Resident(ann)) as reader:
        reader.begin(READS)
        eventually((rig.var.homes / "ann/opened").exists, 20)
        change(rig.var.releases / "sky/dr2/cubes/deep.fits")
        (rig.var.homes / "ann/changed").touch()
        found = reader.finish()
    serves(rig, ann, worker)
    return list(found)


def replaced(path: Path) -> None:
    new = path.with_name("new")
    new.write_bytes(b"newest" * 200_000)
    new.rename(path)


def test_released_file_that_is_cut_on_the_disk_ends_there(rig: DataRig, ann: Person) -> None:
    before, start, beyond, _ = read_while(rig, ann, lambda path: os.truncate(path, 4096))
    assert [before, start] == [OLD, OLD]
    assert beyond in {"", OLD, "EIO"}


def test_released_file_that_is_replaced_stays_what_it_was_for_who_has_it_open(rig: DataRig, ann: Person) -> None:
    *held, anew = read_while(rig, ann, replaced)
    assert held == [OLD] * 3
    assert anew in {OLD, NEW}


def test_released_file_that_is_removed_stays_for_who_has_it_open(rig: DataRig, ann: Person) -> None:
    *held, anew = read_while(rig, ann, Path.unlink)
    assert held == [OLD] * 3
    assert anew in {"ENOENT", OLD}


def test_released_file_that_may_not_be_read_is_refused_to_who_opens_it(rig: DataRig, ann: Person) -> None:
    *held, anew = read_while(rig, ann, lambda path: path.chmod(0))
    assert held == [OLD] * 3
    assert anew in {"EACCES", "EPERM", OLD}
