"""Files mapped to memory in a team's space: what one maps to write is refused where another view has the file open."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.data_rig import DataRig, Failed, Person, eventually
from tests.support.standing import Standing

pytestmark = [pytest.mark.root, pytest.mark.fuse]

MAP = "m = mmap.mmap(files['f'], 4096)"
MAP_TO_READ = "m = mmap.mmap(files['f'], 4096, access=mmap.ACCESS_READ)"


def maps(person: Standing) -> bool:
    """Whether the file can be mapped to write by now: the kernel tells of another's close after close(2) returned."""
    try:
        person.do(f"opened('teams/ant/f'); {MAP}")
    except Failed:
        person.do("close()")
        return False
    return True


@pytest.fixture
def people(team_rig: DataRig) -> Iterator[dict[str, Standing]]:
    with ExitStack() as stack:
        views = {name: Person(team_rig.records[name], team_rig.var.views / name) for name in ("ann", "bob")}
        views["ann"].do("p = Path('teams/ant/f'); p.unlink(missing_ok=True); p.write_bytes(b'x' * 4096); p.chmod(0o660)")
        yield {name: stack.enter_context(Standing(view)) for name, view in views.items()}


def test_mapping_is_had_by_who_opened_first_and_refused_to_the_other(people: dict[str, Standing]) -> None:
    ann, bob = people["ann"], people["bob"]
    ann.do(f"opened('teams/ant/f'); {MAP}; m[:5] = b'first'")
    with pytest.raises(Failed, match="ENODEV"):
        bob.do(f"opened('teams/ant/f'); {MAP}")
    bob.do("os.pwrite(files['f'], b'!', 4000)")
    ann.do("m.flush(); m.close(); close()")
    assert bob.do("answer = Path('teams/ant/f').read_bytes()[:5].decode()") == "first"
    bob.do("close()")
    eventually(lambda: maps(bob))
    bob.do("m[:5] = b'other'; m.close(); close()")
    assert ann.do("answer = Path('teams/ant/f').read_bytes()[:5].decode()") == "other"


def test_reader_elsewhere_refuses_the_writer_s_mapping_alone(people: dict[str, Standing]) -> None:
    ann, bob = people["ann"], people["bob"]
    bob.do(f"opened('teams/ant/f', flags=os.O_RDONLY); {MAP_TO_READ}")
    with pytest.raises(Failed, match="ENODEV"):
        ann.do(f"opened('teams/ant/f'); {MAP}")
    ann.do(f"close(); opened('teams/ant/f', flags=os.O_RDONLY); {MAP_TO_READ}")


def test_two_descriptors_of_one_view_may_map(people: dict[str, Standing]) -> None:
    people["ann"].do(f"opened('teams/ant/f', 'g'); opened('teams/ant/f'); {MAP}; m[0] = 65")
    people["ann"].do("close('g'); opened('teams/ant/f', 'h'); n = mmap.mmap(files['h'], 4096); answer = n[0]")


def test_who_died_has_nothing_open(people: dict[str, Standing]) -> None:
    people["ann"].do(f"opened('teams/ant/f'); {MAP}")
    people["ann"].kill()
    eventually(lambda: maps(people["bob"]))


def test_next_worker_says_what_the_last_one_had_open(team_rig: DataRig, people: dict[str, Standing]) -> None:
    ann, bob = people["ann"], people["bob"]
    ann.do(f"opened('teams/ant/f'); {MAP}")
    before = team_rig.worker("ann")
    os.kill(before, 9)
    eventually(lambda: team_rig.worker("ann") != before, 20)
    with pytest.raises(Failed, match="ENODEV"):
        bob.do(f"opened('teams/ant/f'); {MAP}")


def test_database_with_a_log_is_for_one_view_at_a_time(people: dict[str, Standing]) -> None:
    ann, bob = people["ann"], people["bob"]
    add = "db.execute('insert into t values (1)'); db.commit()"
    ann.do(f"""
        db = sqlite3.connect('teams/ant/wal.db', timeout=1)
        answer = db.execute('pragma journal_mode=wal').fetchone(); db.execute('create table t (v)'); {add}
    """)
    assert bob.do("""
        db = sqlite3.connect('teams/ant/wal.db', timeout=1)
        try: db.execute('insert into t values (2)'); answer = 'done'
        except sqlite3.OperationalError as error: answer = str(error)
        db.close()
    """) in {"disk I/O error", "unable to open database file", "locking protocol"}
    ann.do(f"{add}; db.close()")
    bob.do(f"db = sqlite3.connect('teams/ant/wal.db', timeout=1); {add}")
    assert bob.do("""
        answer = [db.execute('select count(*) from t').fetchone()[0], db.execute('pragma integrity_check').fetchone()[0]]; db.close()
    """) == [3, "ok"]
