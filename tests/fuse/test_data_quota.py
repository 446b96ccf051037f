"""The limit of a space, through two views of a team's space and one of a home: refused before a byte is lost."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_fuse.charge import ENTRY_BYTES

from tests.fuse.conftest import two_teams
from tests.support.data_rig import DataRig, Failed, Person, eventually, member, record

pytestmark = [pytest.mark.root, pytest.mark.fuse]

MIB = 1 << 20


def limited(*, home: int | None = MIB, team: int | None = 4 * MIB) -> Platform:
    """The platform of two teams with these hard limits, in bytes."""
    quotas = {"home": {"hard": home} if home is not None else {}, "team": {"hard": team} if team is not None else {}}
    return Platform.model_validate(two_teams().model_dump() | {"spaces": quotas})


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DataRig]:
    """A keeper of limited spaces; ann and bob are both ants."""
    rig = DataRig(Var(tmp_path / "var"), limited())
    rig.feed.start()
    rig.know(record("ann", member("ant")), record("bob", member("ant")))
    try:
        rig.start()
        yield rig
        assert "Traceback" not in rig.log.read_text(), rig.log.read_text()
    finally:
        rig.clear()


def used(rig: DataRig, space: str) -> int:
    """Return what the keeper says that a space uses."""
    return int(rig.order(op="status")["spaces"][space]["used"])


def fill(person: Person, path: str, size: int) -> int:
    """Write that many bytes or until it is refused; return how many were taken, all of which are there."""
    taken = person.do(
        """
        fd, taken = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 0
        try:
            while taken < size:
                taken += os.write(fd, bytes([taken // 65536 % 251]) * min(65536, size - taken))
        except OSError as error:
            assert error.errno == 122, error
        os.fsync(fd)
        os.close(fd)
        data = Path(path).read_bytes()
        assert len(data) == taken and all(data[n] == n // 65536 % 251 for n in range(0, taken, 4096)), (len(data), taken)
        answer = taken
        """,
        path=path,
        size=size,
    )
    return int(taken)


def test_full_home_refuses_the_next_byte_and_keeps_all_others(rig: DataRig, ann: Person) -> None:
    assert fill(ann, "home/f", 2 * MIB) > MIB - ENTRY_BYTES - 131072
    for code in (
        "os.truncate('home/f', 1 << 20)",
        "os.posix_fallocate(os.open('home/f', os.O_RDWR), 0, 1 << 21)",
    ):
        with pytest.raises(Failed) as refused:
            ann.do(code)
        assert refused.value.code == "EDQUOT"
    assert ann.do("Path('home/f').unlink(); Path('home/g').write_bytes(b'x' * 500000); answer = os.listdir('home')") == ["g"]


def test_two_views_of_one_space_share_its_room(rig: DataRig, ann: Person, bob: Person) -> None:
    assert fill(ann, "teams/ant/a", 3 * MIB) == 3 * MIB
    assert fill(bob, "teams/ant/b", 3 * MIB) < MIB
    with pytest.raises(Failed, match="EDQUOT"):
        ann.do("Path('teams/ant/c').write_bytes(b'x' * 131072)")
    bob.do("os.unlink('teams/ant/a')")
    assert fill(ann, "teams/ant/a", 2 * MIB) == 2 * MIB
    assert fill(bob, "home/own", MIB // 2) == MIB // 2


def test_two_writers_at_once_never_take_more_than_there_is(rig: DataRig, ann: Person, bob: Person) -> None:
    code = """
        taken = 0
        for n in range(100):
            try:
                Path(f'teams/ant/{who}{n}').write_bytes(b'x' * 65536)
            except OSError as error:
                assert error.errno == 122
        answer = None
    """
    with ann.start(code, who="a") as one, bob.start(code, who="b") as other:
        for child in (one, other):
            out, err = child.communicate(timeout=60)
            assert '"answer"' in out, err
    sizes = [path.stat().st_size for path in (rig.var.spaces / "ant").iterdir()]
    assert 3 * MIB < sum(sizes) + ENTRY_BYTES * len(sizes) <= 4 * MIB


def test_df_answers_for_the_space(rig: DataRig, ann: Person) -> None:
    fill(ann, "home/f", MIB // 2)
    found = ann.do("st = os.statvfs('home'); answer = [st.f_frsize * st.f_blocks, st.f_frsize * st.f_bavail]")
    assert found == [MIB, MIB // 2 - ENTRY_BYTES]


def test_lowered_limit_stops_what_grows_and_nothing_else(rig: DataRig, ann: Person) -> None:
    ann.do("Path('teams/ant/f').write_bytes(b'x' * 1000000); Path('teams/ant/g').write_bytes(b'y')")
    rig.feed.platform(limited(team=0))

    def refuses() -> bool:
        try:
            ann.do("os.mkdir('teams/ant/d'); os.rmdir('teams/ant/d')")
        except Failed as refused:
            return refused.code == "EDQUOT"
        return False

    eventually(refuses, 20)
    found = ann.do("""
        with open('teams/ant/f', 'r+b') as f:
            f.seek(5); f.write(b'new'); f.seek(0)
            answer = f.read(10).decode()
        os.rename('teams/ant/f', 'teams/ant/h')
        os.truncate('teams/ant/h', 10)
        os.unlink('teams/ant/g')
    """)
    assert found == "xxxxxnewxx"
    rig.feed.platform(limited(team=None))
    eventually(lambda: not refuses(), 20)
    assert fill(ann, "teams/ant/i", 6 * MIB) == 6 * MIB


def test_use_is_known_after_a_worker_or_the_keeper_died(rig: DataRig, ann: Person) -> None:
    fill(ann, "teams/ant/f", MIB)
    whole = MIB + ENTRY_BYTES
    eventually(lambda: used(rig, "team/ant") == whole)
    os.kill(rig.worker("ann"), signal.SIGKILL)
    ann.do("Path('teams/ant/g').write_bytes(b'x')")
    assert used(rig, "team/ant") == whole + ENTRY_BYTES + 1
    eventually(lambda: rig.var.usage.exists() and str(whole + ENTRY_BYTES + 1) in rig.var.usage.read_text())
    rig.kill_keeper()
    ann.do("Path('teams/ant/h').write_bytes(b'x')")
    rig.start()
    rig.mount("ann")
    eventually(lambda: used(rig, "team/ant") == whole + 2 * (ENTRY_BYTES + 1), 30)
    rig.stop()
    rig.start()
    rig.mount("bob")
    assert used(rig, "team/ant") == whole + 2 * (ENTRY_BYTES + 1)


def test_what_was_there_before_is_counted(rig: DataRig, bob: Person) -> None:
    (rig.var.homes / "ann").mkdir(parents=True)
    (rig.var.homes / "ann/deep").mkdir()
    (rig.var.homes / "ann/deep/old").write_bytes(b"x" * 700_000)
    os.link(rig.var.homes / "ann/deep/old", rig.var.homes / "ann/twice")
    os.symlink("/etc/passwd", rig.var.homes / "ann/out")
    for path in (rig.var.homes / "ann").rglob("*"):
        os.chown(path, 611001, 611001, follow_symlinks=False)
    os.chown(rig.var.homes / "ann", 611001, 611001)
    ann = rig.mount("ann")
    eventually(lambda: used(rig, "home/ann") == 700_000 + 4 * ENTRY_BYTES + len("/etc/passwd"), 20)
    assert fill(ann, "home/new", MIB) < 400_000


def test_levels_are_told_once_each(rig: DataRig, ann: Person) -> None:
    for percent, level in ((82, 80), (85, 80), (91, 90), (100, 90)):
        fill(ann, "home/f", MIB * percent // 100)
        sentence = f"the space home/ann has reached {level} %: Your home is "
        eventually(lambda: sentence in rig.log.read_text())  # noqa: B023  # called before the next turn
    told = [line.split("has reached ")[1].split()[0] for line in rig.log.read_text().splitlines() if "space home/ann has" in line]
    assert told[:2] == ["80", "90"]
    assert len(told) == len(set(told))
