"""Numeric ids and memberships, as the hub's database keeps them."""

import asyncio
import copy
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.platform import Platform
from bowerbird_config.teams import Membership, Role
from bowerbird_hub.identity.database import connect
from bowerbird_hub.identity.store import HIGHEST_ID, RESERVED_IDS, IdentityStore, IdRefused
from jupyterhub import orm
from sqlalchemy import text

from tests.support.sign_on_hub import PLATFORM

pytestmark = pytest.mark.asyncio
CRAFT_DN = "CN=craft,OU=Teams\\, all,DC=example,DC=org"


def platform(**changes: Any) -> Platform:
    raw = {**copy.deepcopy(PLATFORM), "sign_on": {"cas": {"url": "https://cas.example.org/cas"}, "admins": ["boss"]}, **changes}
    return Platform.model_validate(raw)


@asynccontextmanager
async def store(directory: Path, of: Platform | None = None) -> AsyncIterator[IdentityStore]:
    engine = connect(f"sqlite:///{directory}/hub.sqlite")
    try:
        opened = IdentityStore(engine)
        await opened.open()
        await opened.adopt(of or platform())
        yield opened
    finally:
        engine.dispose()


async def test_users_and_teams_are_numbered_from_one_range(tmp_path: Path):
    async with store(tmp_path) as identities:
        assert [identities.team_gid(team) for team in ("craft", "eso", "none")] == [600_000, 600_001, None]
        ann = await identities.sign_in("ann", [CRAFT_DN])
        ben = await identities.sign_in("ben", [])
    assert (ann.uid, ann.gid, ann.team_gids) == (600_002, 600_002, {"craft": 600_000})
    assert (ben.uid, ben.gid, ben.team_gids) == (600_003, 600_003, {})


async def test_a_record_holds_memberships_of_the_file_and_of_the_directory(tmp_path: Path):
    async with store(tmp_path) as identities:
        assert (await identities.sign_in("owner", [CRAFT_DN, "ESO-people"])).memberships == (
            Membership("craft", Role.OWNER),
            Membership("craft", Role.MEMBER),
            Membership("eso", Role.MEMBER),
        )
        assert (await identities.sign_in("guest", ["craft"])).memberships == (Membership("eso", Role.GUEST),)
        assert (await identities.sign_in("boss", [])).admin
        assert not (await identities.sign_in("ann", ["admins", "boss"])).admin


async def test_who_may_not_sign_in_any_more_has_no_part_in_anything(tmp_path: Path):
    async with store(tmp_path) as identities:
        assert (await identities.sign_in("ann", [CRAFT_DN])).memberships
        await identities.sign_in("boss", [])
        blocked = {"cas": {"url": "https://cas.example.org/cas"}, "admins": ["boss"], "block_users": ["ann", "boss"]}
        changed = {record.name: record for record in await identities.adopt(platform(sign_on=blocked))}
        assert (changed["ann"].memberships, changed["ann"].team_gids) == ((), {})
        assert not changed["boss"].admin
        assert {record.name for record in await identities.adopt(platform())} == {"ann", "boss"}
        back = identities.record("ann")
        assert back is not None
        assert back.memberships


async def test_everything_is_there_after_a_restart(tmp_path: Path):
    async with store(tmp_path) as identities:
        before = await identities.sign_in("ann", [CRAFT_DN], uid=4242)
        version = identities.version
    async with store(tmp_path) as identities:
        assert identities.record("ann") == before
        assert identities.version > version


async def test_a_number_is_never_given_again(tmp_path: Path):
    async with store(tmp_path) as identities:
        gone = (await identities.sign_in("ann", [])).uid
        await identities.forget("ann")
        assert identities.record("ann") is None
        assert (await identities.sign_in("ben", [])).uid == gone + 1
    without_eso = {name: team for name, team in PLATFORM["teams"].items() if name != "eso"}
    async with store(tmp_path, platform(teams={**without_eso, "aat": {"title": "AAT", "contact": "c"}})) as identities:
        assert identities.team_gid("aat") == gone + 2
        assert (await identities.sign_in("ann", [])).uid == gone
    async with store(tmp_path) as identities:
        assert identities.team_gid("eso") == 600_001


async def test_another_range_begins_above_what_was_given(tmp_path: Path):
    async with store(tmp_path) as identities:
        await identities.sign_in("ann", [])
    async with store(tmp_path, platform(limits={"ids_from": 600_001})) as identities:
        assert (await identities.sign_in("ben", [])).uid == 600_003
    async with store(tmp_path, platform(limits={"ids_from": 5000})) as identities:
        assert (await identities.sign_in("cid", [])).uid == 600_004
    async with store(tmp_path, platform(limits={"ids_from": 700_000})) as identities:
        assert (await identities.sign_in("dan", [])).uid == 700_000


async def test_given_numbers_step_over_those_kept_for_the_system(tmp_path: Path):
    lowest = min(RESERVED_IDS) - 2
    async with store(tmp_path, platform(limits={"ids_from": lowest})) as identities:
        assert (await identities.sign_in("ann", [])).uid == max(RESERVED_IDS) + 1


async def test_a_directory_at_the_top_of_the_numbers_does_not_stop_the_giving(tmp_path: Path):
    async with store(tmp_path) as identities:
        await identities.sign_in("ann", [], uid=HIGHEST_ID)
        assert (await identities.sign_in("ben", [])).uid == 600_002


async def test_the_directory_may_supply_both_numbers(tmp_path: Path):
    async with store(tmp_path) as identities:
        ann = await identities.sign_in("ann", [], uid=5001, gid=5001)
        ben = await identities.sign_in("ben", [], uid=5002, gid=7002)
        cid = await identities.sign_in("cid", [], gid=7003)
    assert (ann.uid, ann.gid) == (5001, 5001)
    assert (ben.uid, ben.gid) == (5002, 7002)
    assert (cid.uid, cid.gid) == (600_002, 7003)


@pytest.mark.parametrize("number", [-1, 0, 1, 33, 999, HIGHEST_ID + 1, 2**32 - 1, *RESERVED_IDS])
async def test_numbers_of_the_system_are_refused(tmp_path: Path, number: int):
    async with store(tmp_path) as identities:
        with pytest.raises(IdRefused, match=f"'ann' the uid {number}, which is kept for the system"):
            await identities.sign_in("ann", [], uid=number)
        with pytest.raises(IdRefused, match=f"'ann' the gid {number}"):
            await identities.sign_in("ann", [], gid=number)
        assert identities.record("ann") is None


async def test_two_directory_users_with_one_number_are_told_who_has_it(tmp_path: Path):
    async with store(tmp_path) as identities:
        await identities.sign_in("ann", [], uid=5001)
        with pytest.raises(IdRefused, match="'ben' the uid 5001, which 'ann' already has; an administrator"):
            await identities.sign_in("ben", [], uid=5001)
        with pytest.raises(IdRefused, match="'ben' the gid 5001, which 'ann' already has"):
            await identities.sign_in("ben", [], uid=5002, gid=5001)
        with pytest.raises(IdRefused, match="'ben' the gid 600000, which the team 'craft' already has"):
            await identities.sign_in("ben", [], gid=600_000)
        assert identities.record("ben") is None
        # What a refused sign-in would have taken is free.
        assert (await identities.sign_in("cid", [], uid=5002)).uid == 5002


async def test_a_number_once_kept_stays_although_the_directory_changes_its_mind(tmp_path: Path):
    async with store(tmp_path) as identities:
        given = await identities.sign_in("ann", [])
        assert (await identities.sign_in("ann", [], uid=5001)).uid == given.uid
        supplied = await identities.sign_in("ben", [], uid=5002)
        assert (await identities.sign_in("ben", [], uid=5003)).uid == supplied.uid


async def test_the_version_grows_with_each_change_and_with_nothing_else(tmp_path: Path):
    async with store(tmp_path) as identities:
        heard: list[IdentityRecord] = []
        identities.on_record(heard.append)
        first = await identities.sign_in("ann", [])
        again = await identities.sign_in("ann", [])
        assert again == first
        second = await identities.sign_in("ann", [CRAFT_DN])
        assert second.version > first.version
        assert identities.version == second.version
        assert heard == [first, second]


async def test_an_edited_platform_changes_those_whom_it_touches(tmp_path: Path):
    async with store(tmp_path) as identities:
        await identities.sign_in("ann", [CRAFT_DN])
        untouched = await identities.sign_in("ben", [])
        changed = await identities.adopt(platform(teams={"eso": {"title": "ESO", "contact": "c", "owners": ["ann"]}}))
        assert [(record.name, record.memberships) for record in changed] == [("ann", (Membership("eso", Role.OWNER),))]
        assert changed[0].version == identities.version
        assert identities.record("ann") == changed[0]
        assert identities.record("ben") == untouched


async def test_sign_ins_at_once_get_a_number_each(tmp_path: Path):
    async with store(tmp_path) as identities:
        records = await asyncio.gather(*(identities.sign_in(f"u{n}", []) for n in range(30)))
    assert len({record.uid for record in records}) == 30
    assert len({record.version for record in records}) == 30


async def test_a_write_waits_for_the_hubs_own_session_without_stopping_the_loop(tmp_path: Path):
    async with store(tmp_path) as identities:
        session = orm.new_session_factory(f"sqlite:///{tmp_path}/hub.sqlite")()
        session.add(orm.User(name="held"))
        session.flush()  # the hub holds the database's write lock from here ...
        signing_in = asyncio.create_task(identities.sign_in("ann", []))
        async with asyncio.timeout(10):
            for _ in range(20):
                await asyncio.sleep(0.01)  # ... while its loop goes on ...
            assert not signing_in.done()
            session.commit()  # ... to let it go
            assert (await signing_in).name == "ann"
        session.close()
        session.get_bind().dispose()


async def test_a_database_that_cannot_be_written_leaves_nothing_half_done(tmp_path: Path):
    async with store(tmp_path) as identities:
        await identities.sign_in("ann", [])
        engine = identities._engine
        with engine.begin() as connection:
            connection.execute(
                text("CREATE TRIGGER full BEFORE INSERT ON bowerbird_identities BEGIN SELECT RAISE(ABORT, 'disk full'); END")
            )
        version = identities.version
        with pytest.raises(Exception, match="disk full"):
            await identities.sign_in("ben", [])
        assert identities.record("ben") is None
        assert identities.version == version
    with closing(sqlite3.connect(tmp_path / "hub.sqlite")) as database:
        assert database.execute("SELECT name FROM bowerbird_numbers WHERE name = 'ben'").fetchall() == []
