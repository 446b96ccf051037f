"""Directories: made, listed while they change, listed from where one was, and large ones."""

import pytest

from tests.support.data_rig import Failed
from tests.support.places import Place

pytestmark = [pytest.mark.root, pytest.mark.fuse]

REFUSED = [
    ("os.mkdir('d')", "EEXIST"),
    ("os.mkdir('f')", "EEXIST"),
    ("os.mkdir('away')", "EEXIST"),
    ("os.mkdir('none/d')", "ENOENT"),
    ("os.mkdir('f/d')", "ENOTDIR"),
    ("os.mkdir('')", "ENOENT"),
    ("os.mkdir('.')", "EEXIST"),
    ("os.mkdir('d/..')", "EEXIST"),
    ("os.listdir('f')", "ENOTDIR"),
    ("os.listdir('none')", "ENOENT"),
    ("os.chdir('f')", "ENOTDIR"),
    ("os.open('d', os.O_WRONLY)", "EISDIR"),
    ("os.open('d', os.O_RDWR)", "EISDIR"),
    ("os.open('d', os.O_RDONLY | os.O_CREAT)", "EISDIR"),
    ("os.open('f', os.O_RDONLY | os.O_DIRECTORY)", "ENOTDIR"),
    ("os.ftruncate(os.open('d', os.O_RDONLY), 0)", "EINVAL"),
    ("mmap.mmap(os.open('d', os.O_RDONLY), 4096, prot=mmap.PROT_READ)", "ENODEV|EISDIR|EACCES"),
]
# The C library's own directory streams, with the place in each.
STREAM = """
class Entry(ctypes.Structure):
    _fields_ = [('ino', ctypes.c_uint64), ('off', ctypes.c_int64), ('reclen', ctypes.c_uint16), ('type', ctypes.c_uint8), ('name',
        ctypes.c_char * 256)]
libc = ctypes.CDLL(None, use_errno=True)
libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.POINTER(Entry)
libc.telldir.restype = ctypes.c_long
for name in ('readdir', 'telldir', 'rewinddir', 'closedir', 'dirfd'): getattr(libc, name).argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
def following(stream):
    entry = libc.readdir(stream)
    return entry.contents.name if entry else None
"""


@pytest.mark.parametrize(("act", "errno"), REFUSED, ids=[act for act, _ in REFUSED])
def test_what_is_no_directory_or_one_already_is_refused(place: Place, act: str, errno: str) -> None:
    place.do("Path('f').touch(); os.mkdir('d'); os.symlink('no where', 'away')")
    with pytest.raises(Failed, match=errno):
        place.do(act)


def test_directory_counts_those_in_it(pair: Place) -> None:
    pair.do("os.makedirs('d/a'); os.mkdir('d/b'); Path('d/f').touch(); answer = os.stat('d').st_nlink")
    assert pair.then("answer = [os.stat('d').st_nlink, os.rmdir('d/a'), os.stat('d').st_nlink]") == [4, None, 3]


def test_entries_say_what_and_which_they_are(place: Place) -> None:
    found = place.do(STREAM + """
Path('f').touch(); os.mkdir('d'); os.symlink('f', 'l'); os.mkfifo('p'); socket.socket(socket.AF_UNIX).bind('s')
stream, answer = libc.opendir(b'.'), []
while entry := libc.readdir(stream):
    e = entry.contents; st = os.lstat(e.name); answer.append([e.name.decode(), e.type == stat.S_IFMT(st.st_mode) >> 12, e.ino == st.st_ino])
libc.closedir(stream); answer.sort()
""")  # fmt: skip
    assert found == [[name, True, True] for name in (".", "..", "d", "f", "l", "p", "s")]


def test_listing_goes_on_from_each_place_that_was_told(place: Place) -> None:
    found = place.do(STREAM + """
for n in range(300): Path(f'file number {n}').touch()
stream, told = libc.opendir(b'.'), []
while True:
    at = libc.telldir(stream)
    told.append((at, following(stream)))
    if told[-1][1] is None: break
dice = random.Random(1)
for at, name in dice.sample(told, 100):
    libc.seekdir(stream, at); assert following(stream) == name, (at, name)
libc.rewinddir(stream); answer = [len(told), len({at for at, _ in told}), following(stream) == told[0][1]]
libc.closedir(stream)
""")  # fmt: skip
    assert found == [303, 303, True]


def test_listing_from_its_start_again_shows_what_is_new(pair: Place) -> None:
    pair.do("Path('a').touch()")
    pair.one.begin(STREAM + """
stream = libc.opendir(b'.'); all_of = lambda: sorted(name.decode() for name in iter(lambda: following(stream), None))
answer = [all_of()]; Path('listed').touch()
while not os.path.exists('b'): time.sleep(0.01)
libc.rewinddir(stream); answer.append(all_of()); libc.closedir(stream)
""", pair.at)  # fmt: skip
    pair.then("while not os.path.exists('listed'): time.sleep(0.01)\nos.unlink('a'); Path('b').touch()")
    assert pair.one.finish() == [[".", "..", "a"], [".", "..", "b", "listed"]]


def test_listing_survives_changes_while_it_is_read(place: Place) -> None:
    found = place.do("""
        for n in range(1200): Path(f'f{n:04}').touch()
        seen = []
        for entry in os.scandir('.'):
            seen.append(entry.name)
            if len(seen) % 2: os.unlink(entry.name)
        answer = [len(seen), len(set(seen)), len(os.listdir('.')), sorted(seen)[:2]]
    """)
    assert found == [1200, 1200, 600, ["f0000", "f0001"]]


def test_who_stays_is_listed_once_while_the_other_makes_and_removes(pair: Place) -> None:
    pair.do("for n in range(500): Path(f'stays {n}').touch()")
    pair.begin("""
        answer = 0
        while not os.path.exists('../done-' + os.path.basename(os.getcwd())):
            names = os.listdir('.'); stay = [name for name in names if name.startswith('stays')]
            assert len(stay) == len(set(stay)) == 500, (len(stay), len(set(stay)))
            answer += 1
    """)
    pair.then("""
        for n in range(100):
            Path(f'passes {n}').touch(); os.rename(f'passes {n}', f'passed {n}')
            if n % 2: os.unlink(f'passed {n}')
        Path('../done-' + os.path.basename(os.getcwd())).touch()
    """)
    assert pair.one.finish() > 0


def test_listing_with_the_least_room_is_complete(place: Place) -> None:
    found = place.do("""
        for n in range(100): Path('n' * 200 + f'{n:03}').touch()
        fd, names, libc, room = os.open('.', os.O_RDONLY), [], ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(280)
        while (n := libc.syscall(217, fd, room, 280)) > 0:
            at = 0
            while at < n:
                size, = struct.unpack_from('H', room, at + 16); names.append(room.raw[at + 19:at + size].split(b'\\0')[0]); at += size
        answer = [n, len(names), len(set(names)), libc.syscall(217, fd, room, 10)]
    """)
    assert found[:3] == [0, 102, 102]


def test_open_directory_is_where_it_was_whatever_it_is_called(pair: Place) -> None:
    pair.do("os.makedirs('a/b'); Path('a/b/f').write_text('f')")
    pair.begin("""
        d = os.open('a/b', os.O_RDONLY | os.O_DIRECTORY); Path('opened').touch()
        while not os.path.exists('z/y'): time.sleep(0.01)
        os.close(os.open('g', os.O_CREAT | os.O_WRONLY, dir_fd=d)); os.mkdir('e', dir_fd=d); os.rename('f', 'h', src_dir_fd=d, dst_dir_fd=d)
        answer = [sorted(os.listdir(d)), sorted(os.listdir('z/y')), os.readlink(f'/proc/self/fd/{d}').endswith('z/y')]
        os.fchdir(d); answer.append(os.getcwd().endswith('z/y'))
    """)
    pair.then("""
        while not os.path.exists('opened'): time.sleep(0.01)
        os.rename('a', 'z'); os.rename('z/b', 'z/y')
    """)
    *listed, told, stands = pair.one.finish()
    assert listed == [["e", "g", "h"]] * 2
    assert told == stands


def test_names_come_and_go_for_both_at_once(pair: Place) -> None:
    pair.do("os.mkdir('d'); Path('d/f').touch(); os.stat('d/f')")
    pair.then("os.stat('d/f'); os.rename('d', 'e')")
    assert pair.do("answer = [os.listdir('.'), os.path.exists('d'), os.path.exists('d/f'), os.path.exists('e/f')]") == [
        ["e"],
        False,
        False,
        True,
    ]
    pair.do("Path('e/f').unlink(); os.rmdir('e')")
    assert pair.then("answer = os.listdir('.')") == []


@pytest.mark.long
@pytest.mark.timeout(600)
def test_directory_of_a_hundred_thousand_files(pair: Place) -> None:
    pair.one.begin("for n in range(100_000): os.close(os.open(f'file {n}', os.O_CREAT | os.O_EXCL | os.O_WRONLY))", pair.at)
    pair.one.finish(300)
    pair.other.begin("""
        names = os.listdir('.'); answer = [len(names), len(set(names)), os.path.exists('file 77777'), os.path.exists('file 100000')]
        answer.append(sum(entry.stat().st_size for entry in os.scandir('.')))
    """, pair.at)  # fmt: skip
    assert pair.other.finish(300) == [100_000, 100_000, True, False, 0]
    pair.one.begin("for name in os.listdir('.'): os.unlink(name)\nanswer = os.listdir('.')", pair.at)
    assert pair.one.finish(300) == []
