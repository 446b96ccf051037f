"""Room and holes: fallocate(2) and the places that lseek(2) finds."""

import pytest

from tests.support.data_rig import Failed
from tests.support.places import NATIVE, Place

pytestmark = [pytest.mark.root, pytest.mark.fuse]

FALLOCATE = """
KEEP, PUNCH, COLLAPSE, ZERO, INSERT = 1, 2, 8, 16, 32
libc = ctypes.CDLL(None, use_errno=True)
def fallocate(fd, mode, at, size):
    if libc.fallocate(fd, mode, ctypes.c_int64(at), ctypes.c_int64(size)): raise OSError(ctypes.get_errno(), 'fallocate')
"""
REFUSED = [
    ("fallocate(os.open('f', os.O_RDONLY), 0, 0, 1)", "EBADF"),
    ("fallocate(os.open('f', os.O_RDWR), 0, -1, 1)", "EINVAL"),
    ("fallocate(os.open('f', os.O_RDWR), 0, 0, 0)", "EINVAL"),
    ("fallocate(os.open('f', os.O_RDWR), PUNCH, 0, 1)", "ENOTSUP"),
    ("fallocate(os.open('f', os.O_RDWR), 1 << 20, 0, 1)", "ENOTSUP"),
    ("fallocate(os.open('f', os.O_RDWR), 0, 1 << 62, 1 << 62)", "EFBIG"),
    ("fallocate(os.open('d', os.O_RDONLY), 0, 0, 1)", "EBADF|EISDIR|ENODEV"),
    ("os.posix_fallocate(os.open('f', os.O_RDWR), 1 << 60, 1)", "EFBIG"),
    ("os.lseek(os.open('f', os.O_RDWR), 6, os.SEEK_DATA)", "ENXIO"),
    ("os.lseek(os.open('f', os.O_RDWR), 7, os.SEEK_HOLE)", "ENXIO"),
    ("os.lseek(os.open('f', os.O_RDWR), 0, 77)", "EINVAL"),
]


@pytest.mark.parametrize(("act", "errno"), REFUSED, ids=[act for act, _ in REFUSED])
def test_what_makes_no_room_is_refused_and_changes_nothing(place: Place, act: str, errno: str) -> None:
    place.do("Path('f').write_text('inside'); os.mkdir('d')")
    with pytest.raises(Failed, match=errno):
        place.do(FALLOCATE + act)
    assert place.do("answer = [Path('f').read_text(), os.stat('f').st_size]") == ["inside", 6]


def test_room_is_made_for_what_will_be_written(pair: Place) -> None:
    pair.do(FALLOCATE + "f = open('a', 'wb'); fallocate(f.fileno(), 0, 0, 1 << 20); fallocate(f.fileno(), KEEP, 1 << 20, 1 << 20)")
    found = pair.then("st = os.stat('a'); answer = [st.st_size, st.st_blocks >= 4096, Path('a').read_bytes() == bytes(1 << 20)]")
    assert found == [1 << 20, True, True]


def test_hole_is_punched_where_the_other_reads_zeros_then(pair: Place) -> None:
    pair.do("Path('a').write_bytes(b'x' * 100_000); answer = os.stat('a').st_blocks")
    pair.then("assert Path('a').read_bytes() == b'x' * 100_000")
    pair.do(FALLOCATE + "fallocate(os.open('a', os.O_RDWR), PUNCH | KEEP, 10_000, 50_000)")
    found = pair.then("""
        data, st = Path('a').read_bytes(), os.stat('a')
        answer = [data == b'x' * 10_000 + bytes(50_000) + b'x' * 40_000, st.st_size, st.st_blocks < 150]
    """)
    assert found == [True, 100_000, True]


def test_range_is_zeroed_within_the_file_and_beyond_its_end(pair: Place) -> None:
    pair.do(FALLOCATE + """
Path('a').write_bytes(b'x' * 10_000); fd = os.open('a', os.O_RDWR)
fallocate(fd, ZERO, 5000, 1000); fallocate(fd, ZERO | KEEP, 9000, 5000); fallocate(fd, ZERO, 20_000, 10)
""")  # fmt: skip
    found = pair.then("answer = Path('a').read_bytes() == b'x' * 5000 + bytes(1000) + b'x' * 3000 + bytes(11_010)")
    assert found is True


def test_ranges_are_taken_out_and_put_in_natively_and_refused_through_a_view(place: Place) -> None:
    """FUSE has no word for them; a program that would use them is told so and copies instead."""
    act = FALLOCATE + "Path('a').write_bytes(b'a' * 65536 + b'b' * 65536); fallocate(os.open('a', os.O_RDWR), mode, 0, 65536)"
    for mode in (8, 32):
        if place.kind == NATIVE:
            place.do(act, mode=mode)
        else:
            with pytest.raises(Failed, match="ENOTSUP"):
                place.do(act, mode=mode)


def test_data_and_holes_are_found_where_they_are(pair: Place) -> None:
    pair.do("""
        with open('a', 'wb') as f:
            f.truncate(16 << 20); f.seek(4 << 20); f.write(bytes([1]) * 65536); f.seek(12 << 20); f.write(bytes([2]) * 65536); f.flush()
            os.fsync(f.fileno())
    """)
    found = pair.then("""
        fd = os.open('a', os.O_RDONLY); seek = lambda at, how: os.lseek(fd, at, how)
        answer = [seek(0, os.SEEK_DATA), seek(4 << 20, os.SEEK_HOLE), seek((4 << 20) + 65536, os.SEEK_DATA), seek(0, os.SEEK_HOLE),
            os.read(fd, 2).hex()]
        try: seek((12 << 20) + 65536, os.SEEK_DATA)
        except OSError as error: answer.append(errno.errorcode[error.errno])
    """)
    assert found == [4 << 20, (4 << 20) + 65536, 12 << 20, 0, "0000", "ENXIO"]


def test_copy_that_keeps_holes_takes_no_more_room(pair: Place) -> None:
    pair.do("f = open('a', 'wb'); f.truncate(64 << 20); f.seek(32 << 20); f.write(b'island' * 1000); f.close()")
    pair.sh_then("cp --sparse=always a b; cp --reflink=never a c; cmp a b; cmp a c")
    assert pair.do("answer = [os.stat(n).st_blocks < 200 for n in 'abc']") == [True] * 3
