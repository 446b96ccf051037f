"""Modes, owners, times, extended attributes and special files."""

import pytest

from tests.support.data_rig import Failed
from tests.support.places import TEAM, Place, Places

pytestmark = [pytest.mark.root, pytest.mark.fuse]

XATTR = """
libc = ctypes.CDLL(None, use_errno=True)
def checked(n):
    if n < 0: raise OSError(ctypes.get_errno(), 'xattr')
    return n
"""
REFUSED = [
    ("os.chmod('none', 0o600)", "ENOENT"),
    ("os.chown('f', 0, -1)", "EPERM"),
    ("os.chown('f', -1, 0)", "EPERM"),
    ("os.chown('d', 0, 0)", "EPERM"),
    ("os.chmod('f', 0); open('f')", "EACCES"),
    ("os.chmod('f', 0o400); open('f', 'w')", "EACCES"),
    ("os.chmod('d', 0); os.listdir('d')", "EACCES"),
    ("os.chmod('d', 0o400); os.stat('d/x')", "EACCES"),
    ("os.chmod('d', 0o100); os.listdir('d')", "EACCES"),
    ("os.chmod('d', 0o500); Path('d/new').touch()", "EACCES"),
    ("os.chmod('d', 0o500); os.mkdir('d/new')", "EACCES"),
    ("os.chmod('d', 0o500); os.unlink('d/x')", "EACCES"),
    ("os.execv('./f', ['f'])", "EACCES"),
    ("os.execv('./none', ['f'])", "ENOENT"),
    ("os.mknod('dev', 0o600 | stat.S_IFCHR, os.makedev(1, 3))", "EPERM"),
    ("os.mknod('dev', 0o600 | stat.S_IFBLK, os.makedev(8, 0))", "EPERM"),
    ("os.mkfifo('f')", "EEXIST"),
    ("os.mknod('d/x')", "EEXIST"),
    ("os.utime('none')", "ENOENT"),
    ("os.getxattr('f', 'user.none')", "ENODATA"),
    ("os.removexattr('f', 'user.none')", "ENODATA"),
    ("os.setxattr('f', 'user.none', b'', os.XATTR_REPLACE)", "ENODATA"),
    ("os.setxattr('f', 'user.a', b''); os.setxattr('f', 'user.a', b'', os.XATTR_CREATE)", "EEXIST"),
    ("os.setxattr('f', 'nowhere', b'')", "ENOTSUP"),
    ("os.setxattr('f', 'other.a', b'')", "ENOTSUP"),
    ("os.setxattr('f', 'user.' + 'a' * 251, b'')", "ERANGE"),
    ("os.setxattr('f', 'user.a', bytes(65537))", "E2BIG"),
    ("os.setxattr('f', 'trusted.a', b'')", "EPERM"),
    ("os.setxattr('l', 'user.a', b'', follow_symlinks=False)", "EPERM"),
    ("os.setxattr('none', 'user.a', b'')", "ENOENT"),
    ("os.listxattr('none')", "ENOENT"),
    ("os.chmod('f', 0o400); os.setxattr('f', 'user.a', b'')", "EACCES"),
    ("os.setxattr('f', 'user.a', b'four'); checked(libc.getxattr(b'f', b'user.a', ctypes.create_string_buffer(3), 3))", "ERANGE"),
    ("os.setxattr('f', 'user.a', b'four'); checked(libc.listxattr(b'f', ctypes.create_string_buffer(3), 3))", "ERANGE"),
]


@pytest.mark.parametrize(("act", "errno"), REFUSED, ids=[act for act, _ in REFUSED])
def test_what_is_not_allowed_is_refused(place: Place, act: str, errno: str) -> None:
    place.do("Path('f').touch(); os.mkdir('d'); Path('d/x').touch(); os.symlink('f', 'l')")
    with pytest.raises(Failed, match=errno):
        place.do(XATTR + act)


def test_mode_is_kept_obeyed_and_seen_by_the_other(pair: Place) -> None:
    pair.do("Path('a').write_text('#!/bin/sh\\nexit 3\\n'); os.chmod('a', 0o750)")
    assert pair.then("answer = [oct(os.stat('a').st_mode), os.spawnv(os.P_WAIT, './a', ['a'])]") == ["0o100750", 3]
    pair.do("os.chmod('a', 0)")
    with pytest.raises(Failed, match="EACCES"):
        pair.then("open('a')")
    pair.do("f = os.open('a', os.O_PATH); os.chmod(f'/proc/self/fd/{f}', 0o604)")
    assert pair.then("answer = oct(os.stat('a').st_mode)") == "0o100604"


def test_mask_of_the_process_holds_for_what_it_makes(place: Place) -> None:
    found = place.do("""
        answer = []
        for mask in (0, 0o077, 0o027, 0o777):
            os.umask(mask); os.close(os.open(f'f{mask}', os.O_CREAT | os.O_WRONLY, 0o666)); os.mkdir(f'd{mask}', 0o777)
            os.mkfifo(f'p{mask}', 0o666)
            answer += [oct(os.stat(f'{kind}{mask}').st_mode & 0o777) for kind in 'fdp']
    """)
    # In a team's space what its members may read they may also write.
    group = ["0o660", "0o770", "0o660"] if place.kind == TEAM else ["0o640", "0o750", "0o640"]
    assert found == ["0o666", "0o777", "0o666", "0o600", "0o700", "0o600", *group, "0o0", "0o0", "0o0"]


def test_file_is_written_by_who_opened_it_before_it_was_made_read_only(place: Place) -> None:
    found = place.do("""
        fd = os.open('a', os.O_CREAT | os.O_RDWR, 0o444); os.write(fd, b'object'); os.ftruncate(fd, 3)
        answer = [Path('a').read_text(), oct(os.stat('a').st_mode & 0o777)]
    """)
    assert found == ["obj", "0o444"]


def test_access_is_told_as_it_is(place: Place) -> None:
    found = place.do("""
        Path('a').touch(); answer = []
        for mode in (0, 0o400, 0o200, 0o100, 0o600, 0o700):
            os.chmod('a', mode); answer.append([os.access('a', how) for how in (os.F_OK, os.R_OK, os.W_OK, os.X_OK)])
        answer.append(os.access('none', os.F_OK))
    """)
    rights = [[False] * 3, [True, False, False], [False, True, False], [False, False, True], [True, True, False], [True] * 3]
    assert found == [*([True, *right] for right in rights), False]


def test_owner_is_who_wrote_and_the_other_is_not(pair: Place) -> None:
    pair.do("Path('a').touch(); os.mkdir('d'); assert os.stat('a').st_uid == os.stat('d').st_uid == os.getuid()")
    found = pair.then("""
        st = os.stat('a'); mine = st.st_uid == os.getuid(); answer = []
        for act in (lambda: os.chmod('a', 0o600), lambda: os.utime('a', ns=(1, 1)), lambda: os.chown('a', os.getuid(), -1)):
            try: act(); answer.append(mine)
            except OSError as error: answer.append(not mine and error.errno == errno.EPERM)
    """)
    assert found == [True] * 3


def test_group_is_changed_to_another_of_ones_own(place: Place) -> None:
    found = place.do("""
        Path('a').touch(); groups = sorted(set(os.getgroups()) | {os.getgid()}); answer = []
        for group in groups:
            os.chown('a', -1, group); answer.append(os.stat('a').st_gid == group)
        os.chown('a', -1, -1)
    """)
    assert len(found) == 2
    if place.kind != TEAM:  # the group of a team's space is kept
        assert found == [True, True]


def test_times_are_kept_to_the_nanosecond(pair: Place) -> None:
    pair.do("Path('a').touch(); os.utime('a', ns=(1_000_000_001, 2_000_000_000_000_000_003)); os.mkdir('d'); os.utime('d', ns=(7, 9))")
    pair.do("os.symlink('x', 'l'); os.utime('l', ns=(1, 2), follow_symlinks=False)")
    seen = "st = os.stat('a'); answer = [st.st_atime_ns, st.st_mtime_ns, os.lstat('l').st_mtime_ns, os.stat('d').st_mtime_ns]"
    assert pair.then(seen) == [1_000_000_001, 2_000_000_000_000_000_003, 2, 9]
    pair.do("os.utime('a', ns=(-1_500_000_000, -1))")
    assert pair.then(seen)[:2] == [-1_500_000_000, -1]


def test_one_time_is_set_and_the_other_left_or_made_now(place: Place) -> None:
    found = place.do("""
        OMIT, NOW = (1 << 30) - 2, (1 << 30) - 1
        libc = ctypes.CDLL(None, use_errno=True); Path('a').touch(); answer = []
        def touch(*times):
            assert libc.utimensat(-100, b'a', struct.pack('4q', *times), 0) == 0, os.strerror(ctypes.get_errno())
            st = os.stat('a'); return [st.st_atime_ns, st.st_mtime_ns]
        answer = [touch(5, 6, 7, 8), touch(0, OMIT, 1, 2), touch(3, 4, 0, OMIT), touch(0, OMIT, 0, OMIT)]
        before = time.time_ns() - 10**9
        atime, mtime = touch(0, OMIT, 0, NOW); answer.append([atime, before < mtime < before + 10**11])
        atime, mtime = touch(0, NOW, 0, OMIT); answer.append(before < atime < before + 10**11)
    """)
    first, second, third = [5_000_000_006, 7_000_000_008], [5_000_000_006, 1_000_000_002], [3_000_000_004, 1_000_000_002]
    assert found == [first, second, third, third, [3_000_000_004, True], True]


def test_directory_is_as_old_as_its_last_change(place: Place) -> None:
    found = place.do("""
        os.mkdir('d'); answer = []
        def changed(act):
            os.utime('d', ns=(1, 1)); act(); answer.append(os.stat('d').st_mtime_ns > 1)
        for act in (lambda: Path('d/f').touch(), lambda: os.link('d/f', 'd/g'), lambda: os.rename('d/f', 'd/h'), lambda: os.symlink('x',
            'd/l'),
                    lambda: os.mkdir('d/e'), lambda: os.unlink('d/g'), lambda: os.rmdir('d/e'), lambda: os.mkfifo('d/p'),
                    lambda: Path('d/h').write_text('x'), lambda: os.chmod('d/h', 0o600), lambda: os.listdir('d')): changed(act)
    """)
    assert found == [*[True] * 8, *[False] * 3]


def test_extended_attributes_are_kept_and_seen_by_the_other(pair: Place) -> None:
    names = {"user.note": b"\x00\xff", "user.empty": b"", "user." + "é" * 125: b"long name", "user.big": bytes(1000)}
    pair.do("Path('a').touch(); os.mkdir('d')\nfor n, v in names.items(): os.setxattr('a', n, v); os.setxattr('d', n, v)", names=names)
    found = pair.then(
        "answer = [{n: os.getxattr(f, n) == v for n, v in names.items()} for f in 'ad'] + [sorted(os.listxattr('a'))]", names=names
    )
    assert found == [dict.fromkeys(names, True)] * 2 + [sorted(names)]
    pair.do("os.setxattr('a', 'user.note', b'new', os.XATTR_REPLACE); os.removexattr('a', 'user.big')")
    assert pair.then("answer = [os.getxattr('a', 'user.note').decode(), len(os.listxattr('a'))]") == ["new", 3]


def test_sizes_of_extended_attributes_are_told_beforehand(place: Place) -> None:
    found = place.do(XATTR + """
Path('a').touch(); os.setxattr('a', 'user.a', b'four'); os.setxattr('a', 'user.bb', b'')
answer = [checked(libc.getxattr(b'a', b'user.a', None, 0)), checked(libc.listxattr(b'a', None, 0)), checked(libc.getxattr(b'a',
    b'user.bb', None, 0))]
""")  # fmt: skip
    assert found == [4, len("user.a.user.bb."), 0]


def test_extended_attributes_go_with_the_file(place: Place) -> None:
    found = place.do("""
        Path('a').touch(); os.setxattr('a', 'user.x', b'1'); os.rename('a', 'b'); os.link('b', 'c'); fd = os.open('c', os.O_RDONLY)
        os.unlink('b'); os.unlink('c'); os.setxattr(fd, 'user.y', b'2')
        answer = [sorted(os.listxattr(fd)), os.getxattr(fd, 'user.x').decode()]
    """)
    assert found == [["user.x", "user.y"], "1"]


def test_pipe_and_socket_can_be_made_and_used(place: Place) -> None:
    found = place.do("""
        os.mkfifo('p'); r = os.open('p', os.O_RDONLY | os.O_NONBLOCK); w = os.open('p', os.O_WRONLY); os.write(w, b'through')
        s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect('s')
        os.mknod('n', 0o640)
        answer = [os.read(r, 10).decode(), stat.S_ISSOCK(os.stat('s').st_mode), stat.S_ISFIFO(os.stat('p').st_mode),
            stat.S_ISREG(os.stat('n').st_mode)]
        os.rename('p', 'q'); os.unlink('q'); os.unlink('s')
    """)
    assert found == ["through", True, True, True]


def test_special_files_of_a_space_are_not_obeyed(places: Places) -> None:
    for line in places.resident("ann").do("answer = Path('/proc/self/mountinfo').read_text().splitlines()"):
        if line.split()[4] == "/mnt":
            assert {"nosuid", "nodev"} <= set(line.split()[5].split(","))
            return
    raise AssertionError("nothing is mounted")


def test_directories_of_a_team_hand_their_group_down(places: Places) -> None:
    team = places.rig.var.spaces / "ant"
    ann, bob = places.resident("ann"), places.resident("bob")
    ann.do("os.makedirs('teams/ant/down/a/b'); Path('teams/ant/down/a/b/f').write_text('by ann'); os.symlink('f', 'teams/ant/down/a/b/l')")
    for path in ("down", "down/a", "down/a/b", "down/a/b/f", "down/a/b/l"):
        assert (team / path).lstat().st_gid == 612001, path
        assert (team / path).lstat().st_uid == 611001, path
    for path in ("down", "down/a", "down/a/b"):
        assert (team / path).stat().st_mode & 0o2000, path
    assert bob.do("answer = oct(os.stat('teams/ant/down/a').st_mode & 0o2000)") == "0o2000"


def test_members_edit_each_others_files_and_directories(places: Places) -> None:
    ann, bob = places.resident("ann"), places.resident("bob")
    ann.do("os.makedirs('teams/ant/shared/sub'); Path('teams/ant/shared/sub/f').write_text('by ann')")
    bob.do("""
        os.chdir('teams/ant/shared/sub')
        with open('f', 'a') as f: f.write(', then bob')
        Path('g').write_text('by bob'); os.rename('f', 'h'); os.truncate('h', 12); os.utime('h'); os.mkdir('e')
        os.setxattr('h', 'user.by', b'bob')
    """)
    assert ann.do("os.chdir('teams/ant/shared/sub'); os.unlink('g'); os.rmdir('e'); answer = [Path('h').read_text(), os.listdir('.')]") == [
        "by ann, then",
        ["h"],
    ]
