"""What is in a file: written, appended, cut, mapped, copied, synced."""

import pytest

from tests.support.data_rig import Failed
from tests.support.places import Place

pytestmark = [pytest.mark.root, pytest.mark.fuse]

REFUSED = [
    ("os.write(os.open('f', os.O_RDONLY), b'x')", "EBADF"),
    ("os.read(os.open('f', os.O_WRONLY), 1)", "EBADF"),
    ("os.read(os.open('d', os.O_RDONLY), 1)", "EISDIR"),
    ("os.pread(os.open('f', os.O_RDONLY), 1, -1)", "EINVAL"),
    ("os.pwrite(os.open('f', os.O_WRONLY), b'x', -1)", "EINVAL"),
    ("os.pwrite(os.open('f', os.O_WRONLY), b'xx', (1 << 63) - 2)", "EFBIG|EINVAL"),
    ("os.lseek(os.open('f', os.O_RDONLY), -1, os.SEEK_SET)", "EINVAL"),
    ("os.ftruncate(os.open('f', os.O_RDONLY), 0)", "EINVAL"),
    ("os.ftruncate(os.open('f', os.O_WRONLY), -1)", "EINVAL"),
    ("os.truncate('f', 1 << 62)", "EFBIG"),
    ("os.truncate('d', 0)", "EISDIR"),
    ("os.truncate('none', 0)", "ENOENT"),
    ("os.chmod('f', 0o444); os.truncate('f', 0)", "EACCES"),
    ("os.copy_file_range(os.open('f', os.O_RDONLY), os.open('f', os.O_RDONLY), 1)", "EBADF"),
    ("os.copy_file_range(os.open('f', os.O_RDONLY), os.open('f', os.O_WRONLY | os.O_APPEND), 1)", "EBADF"),
    ("os.copy_file_range(os.open('d', os.O_RDONLY), os.open('f', os.O_WRONLY), 1)", "EISDIR"),
    ("fd = os.open('f', os.O_RDWR); os.copy_file_range(fd, fd, 4, 0, 2)", "EINVAL"),
    ("mmap.mmap(os.open('f', os.O_RDONLY), 6, mmap.MAP_SHARED, mmap.PROT_WRITE)", "EACCES"),
    ("mmap.mmap(os.open('f', os.O_WRONLY), 6, mmap.MAP_SHARED, mmap.PROT_READ)", "EACCES"),
]


@pytest.mark.parametrize(("act", "errno"), REFUSED, ids=[act for act, _ in REFUSED])
def test_what_a_file_does_not_allow_is_refused_and_changes_nothing(place: Place, act: str, errno: str) -> None:
    place.do("Path('f').write_text('inside'); os.mkdir('d')")
    with pytest.raises(Failed, match=errno):
        place.do(act)
    assert place.do("answer = Path('f').read_text()") == "inside"


def test_what_is_written_is_read(pair: Place) -> None:
    digest = "answer = [hashlib.sha256(Path('a').read_bytes()).hexdigest(), os.stat('a').st_size]"
    pair.do("Path('a').write_bytes(random.Random(5).randbytes(3 << 20))")
    assert pair.then(digest) == pair.do(digest)
    assert pair.do("answer = Path('a').read_bytes() == random.Random(5).randbytes(3 << 20)")


def test_pieces_of_every_size_at_every_place(place: Place) -> None:
    found = place.do("""
        dice, model = random.Random(7), bytearray()
        fd = os.open('a', os.O_CREAT | os.O_RDWR)
        for _ in range(200):
            at, data = dice.randrange(300_000), dice.randbytes(dice.choice([0, 1, 511, 4096, 4097, 70_000]))
            assert os.pwrite(fd, data, at) == len(data)
            if data:
                model.extend(bytes(max(0, at - len(model)))); model[at:at + len(data)] = data
            at, size = dice.randrange(400_000), dice.choice([1, 4096, 10_000, 200_000])
            assert os.pread(fd, size, at) == model[at:at + size]
        answer = [os.fstat(fd).st_size == len(model), Path('a').read_bytes() == model]
    """)
    assert found == [True, True]


def test_many_buffers_are_written_and_read_at_once(place: Place) -> None:
    found = place.do("""
        fd = os.open('a', os.O_CREAT | os.O_RDWR); parts = [bytes([n]) * (n * 37) for n in range(1, 100)]
        wrote = os.writev(fd, parts); os.lseek(fd, 0, os.SEEK_SET); into = [bytearray(len(part)) for part in parts]
        answer = [wrote == os.readv(fd, into) == sum(map(len, parts)), into == parts, os.read(fd, 1) == b'']
    """)
    assert found == [True, True, True]


def test_append_goes_to_the_end_whoever_wrote_before(pair: Place) -> None:
    pair.do("Path('log').touch()")
    code = """
        log = open('log', 'ab', 0)
        for n in range(200): log.write(who + b'%03d\\n' % n)
        answer = log.tell()
    """
    pair.begin(code, who=b"1")
    pair.then(code, who=b"2")
    pair.one.finish()
    lines = pair.do("answer = Path('log').read_text().split()")
    assert sorted(lines) == [f"{who}{n:03}" for who in "12" for n in range(200)]
    assert [line for line in lines if line[0] == "1"] == [f"1{n:03}" for n in range(200)]


def test_appending_descriptor_appends_wherever_it_is_told_to_write(place: Place) -> None:
    found = place.do("""
        Path('a').write_text('start'); fd = os.open('a', os.O_RDWR | os.O_APPEND)
        os.pwrite(fd, b'-end', 0); answer = [os.pread(fd, 20, 0).decode(), os.lseek(fd, 0, os.SEEK_CUR)]
        os.write(fd, b'!'); answer.append(os.lseek(fd, 0, os.SEEK_CUR))
        os.truncate('a', 3); os.write(fd, b'?'); answer.append(Path('a').read_text())
    """)
    assert found == ["start-end", 0, 10, "sta?"]


def test_truncate_cuts_and_lengthens_with_zeros(pair: Place) -> None:
    pair.do("Path('a').write_bytes(b'x' * 10_000); os.truncate('a', 5000); os.truncate('a', 20_000)")
    assert pair.then("answer = Path('a').read_bytes() == b'x' * 5000 + bytes(15_000)")
    pair.do("fd = os.open('a', os.O_RDWR); os.ftruncate(fd, 10); os.ftruncate(fd, 4097)")
    assert pair.then("answer = Path('a').read_bytes() == b'x' * 10 + bytes(4087)")
    pair.then("open('a', 'w').close()")
    assert pair.do("answer = [os.stat('a').st_size, Path('a').read_bytes() == b'']") == [0, True]


def test_one_who_has_the_file_open_sees_the_other_cut_and_lengthen_it(pair: Place) -> None:
    pair.do("Path('a').write_bytes(b'x' * 9000)")
    pair.begin("""
        f = open('a', 'rb', 0); answer = [len(f.read())]; Path('opened').touch()
        for n in range(3):
            while not os.path.exists(f'changed{n}'): time.sleep(0.01)
            f.seek(0); data = f.read(); answer.append([len(data), len(data.strip(b'x')), os.fstat(f.fileno()).st_size])
            Path(f'seen{n}').touch()
    """)
    pair.then("""
        while not os.path.exists('opened'): time.sleep(0.01)
        for n, size in enumerate((10, 6000, 0)):
            os.truncate('a', size); Path(f'changed{n}').touch()
            while not os.path.exists(f'seen{n}'): time.sleep(0.01)
    """)
    assert pair.one.finish() == [9000, [10, 0, 10], [6000, 5990, 6000], [0, 0, 0]]


def test_sparse_file_takes_no_room(place: Place) -> None:
    found = place.do("""
        with open('a', 'wb') as f:
            f.seek(1 << 40); f.write(b'end')
        st = os.stat('a'); f = open('a', 'rb'); answer = [st.st_size, st.st_blocks < 100, f.read(5000) == bytes(5000)]
        f.seek((1 << 40) - 2); answer.append(f.read() == b'\\0\\0end')
    """)
    assert found == [(1 << 40) + 3, True, True, True]


def test_writing_changes_the_times_of_the_file(place: Place) -> None:
    found = place.do("""
        Path('a').write_text('x'); answer = []
        def changed(act):
            os.utime('a', ns=(1, 1)); before = os.stat('a').st_ctime_ns; time.sleep(0.02); act(); st = os.stat('a')
            answer.append([st.st_mtime_ns > 1, st.st_ctime_ns > before])
        fd = os.open('a', os.O_RDWR)
        changed(lambda: os.write(fd, b'y')); changed(lambda: os.write(fd, b'')); changed(lambda: os.ftruncate(fd, 9))
        changed(lambda: open('a', 'w').close()); changed(lambda: os.chmod('a', 0o600)); changed(lambda: os.link('a', 'b'))
        changed(lambda: Path('a').read_text())
    """)
    assert found == [[True, True], [False, False], [True, True], [True, True], [False, True], [False, True], [False, False]]


def test_writer_takes_the_special_bits_away(place: Place) -> None:
    found = place.do("""
        answer = []
        for act in (lambda: open('a', 'a').write('x'), lambda: os.truncate('a', 1), lambda: os.chown('a', os.getuid(), os.getgid())):
            Path('a').write_text('x'); os.chmod('a', 0o6755); act(); answer.append(oct(os.stat('a').st_mode & 0o7777)); os.unlink('a')
    """)
    assert found == ["0o755"] * 3


def test_file_and_directory_are_synced(place: Place) -> None:
    found = place.do("""
        with open('a', 'w') as f:
            f.write('x'); f.flush(); os.fsync(f.fileno()); os.fdatasync(f.fileno())
        r = os.open('a', os.O_RDONLY); os.fsync(r); d = os.open('.', os.O_RDONLY); os.fsync(d); os.fdatasync(d)
        libc = ctypes.CDLL(None); answer = [libc.syncfs(r), libc.sync_file_range(r, ctypes.c_int64(0), ctypes.c_int64(0), 7)]
        for flag in (os.O_SYNC, os.O_DSYNC): os.write(os.open('a', os.O_WRONLY | flag), b'synced')
        answer.append(Path('a').read_text())
    """)
    assert found == [0, 0, "synced"]


def test_memory_maps_are_written_through(pair: Place) -> None:
    pair.do("""
        Path('a').write_bytes(bytes(8192 + 10))
        with open('a', 'r+b') as f, mmap.mmap(f.fileno(), 0) as m:
            m[5000:5005] = b'hello'; m[8200:8202] = b'ok'; assert os.pread(f.fileno(), 5, 5000) == b'hello'
            os.pwrite(f.fileno(), b'J', 5000); assert m[5000:5005] == b'Jello'
            m.flush()
    """)
    assert pair.then("answer = [Path('a').read_bytes()[5000:5005].decode(), os.stat('a').st_size]") == ["Jello", 8202]


def test_private_map_is_ones_own(place: Place) -> None:
    found = place.do("""
        Path('a').write_bytes(b'file' * 2000)
        with open('a', 'r+b') as f, mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as m:
            m[0:4] = b'mine'; answer = [m[0:8].decode(), f.read(8).decode()]
    """)
    assert found == ["minefile", "filefile"]


def test_map_beyond_the_end_is_a_bus_error_and_nothing_worse(place: Place) -> None:
    found = place.do("""
        Path('a').write_bytes(bytes(10_000)); f = open('a', 'r+b'); m = mmap.mmap(f.fileno(), 10_000); os.truncate('a', 100)
        pid = os.fork()
        if not pid:
            m[9000]; os._exit(0)
        answer = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGBUS, m[50]]
    """)
    assert found == [True, 0]


def test_two_processes_share_one_map(place: Place) -> None:
    place.do("Path('a').write_bytes(bytes(4096))")
    place.begin("""
        f = open('a', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0] = 1
        while m[1] != 2: time.sleep(0.001)
        answer = 'saw it'
    """)
    place.then("""
        f = open('a', 'r+b'); m = mmap.mmap(f.fileno(), 0)
        while m[0] != 1: time.sleep(0.001)
        m[1] = 2
    """)
    assert place.one.finish() == "saw it"


def test_ranges_are_copied_within_and_between_files(pair: Place) -> None:
    pair.do("""
        data = random.Random(3).randbytes(300_000); Path('a').write_bytes(data); Path('b').touch()
        a, b = os.open('a', os.O_RDWR), os.open('b', os.O_RDWR)
        def copy(src, dst, count, at, to):
            while count and (n := os.copy_file_range(src, dst, count, at, to)): count, at, to = count - n, at + n, to + n
            return count
        answer = [copy(a, b, 200_000, 1000, 5), copy(a, b, 50, 299_990, 250_000), copy(a, a, 1000, 0, 200_000), copy(a, b, 9, 400_000, 0)]
        assert answer == [0, 40, 0, 9], answer
    """)
    found = pair.then("""
        data, a, b = random.Random(3).randbytes(300_000), Path('a').read_bytes(), Path('b').read_bytes()
        answer = [b == bytes(5) + data[1000:201_000] + bytes(49_995) + data[-10:], a == data[:200_000] + data[:1000] + data[201_000:]]
    """)
    assert found == [True, True]


def test_kernel_copies_from_file_to_file_and_to_a_pipe(place: Place) -> None:
    found = place.do("""
        Path('a').write_bytes(random.Random(4).randbytes(100_000)); a, b = os.open('a', os.O_RDONLY), os.open('b', os.O_CREAT | os.O_RDWR)
        while os.sendfile(b, a, None, 1 << 20): pass
        r, w = os.pipe()
        answer = [Path('b').read_bytes() == Path('a').read_bytes(), os.splice(a, w, 5000, 7), os.read(r,
            9000) == Path('a').read_bytes()[7:5007]]
        os.write(w, b'from the pipe'); os.splice(r, b, 13, None, 3); answer.append(Path('b').read_bytes()[3:16].decode())
    """)
    assert found == [True, 5000, True, "from the pipe"]


def test_file_is_read_and_written_around_the_page_cache(pair: Place) -> None:
    pair.do("""
        page = mmap.mmap(-1, 8192); page.write(b'direct!!' * 1024); fd = os.open('a', os.O_CREAT | os.O_RDWR | os.O_DIRECT)
        assert os.pwritev(fd, [page], 4096) == 8192
    """)
    found = pair.then("""
        page = mmap.mmap(-1, 4096); fd = os.open('a', os.O_RDONLY | os.O_DIRECT); n = os.preadv(fd, [page], 8192)
        answer = [n, page[:8].decode(), os.stat('a').st_size, Path('a').read_bytes()[:4096] == bytes(4096)]
    """)
    assert found == [4096, "direct!!", 12288, True]


def test_advice_about_reading_is_taken(place: Place) -> None:
    found = place.do("""
        Path('a').write_bytes(bytes(100_000)); fd = os.open('a', os.O_RDONLY)
        for advice in (os.POSIX_FADV_SEQUENTIAL, os.POSIX_FADV_RANDOM, os.POSIX_FADV_WILLNEED,
            os.POSIX_FADV_DONTNEED): os.posix_fadvise(fd, 0, 0, advice)
        answer = [ctypes.CDLL(None).readahead(fd, ctypes.c_int64(0), ctypes.c_size_t(100_000)), len(os.read(fd, 200_000))]
    """)
    assert found == [0, 100_000]


def test_new_contents_of_the_same_size_and_date_are_read_all_the_same(pair: Place) -> None:
    date = "os.utime('a', ns=(10**18, 10**18)); f.close()"
    pair.do(f"f = open('a', 'w'); f.write('first'); f.flush(); {date}")
    assert pair.then("answer = Path('a').read_text()") == "first"
    for n in range(5):
        pair.do(f"f = open('a', 'r+'); f.write('other'[{n}] * 5); f.flush(); {date}")
        assert pair.then("answer = Path('a').read_text()") == "other"[n] * 5
