"""The platform file, edited while the platform runs."""

import asyncio
import copy
import json
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.problems import ConfigError
from bowerbird_config.sockets import connect, read_lines, write_line
from bowerbird_config.teams import Membership, Role
from bowerbird_config.user_names import SERVICES_ACCOUNT
from bowerbird_hub.identity.live import POLL_SECONDS, Live
from bowerbird_hub.nodes.services import SERVICES_RECORD

from tests.support.cas import until
from tests.support.sign_on_hub import PLATFORM, write_platform

pytestmark = pytest.mark.asyncio
# Five times what is promised, for a machine with other work.
TAKEN_UP_SECONDS = 10.0


def described(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(PLATFORM), "sign_on": {"cas": {"url": "https://cas.example.org/cas"}}, **changes}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_platform(tmp_path / "platform.yaml", described())
    return tmp_path / "platform.yaml"


@pytest.fixture
def var(tmp_path: Path) -> Var:
    made = Var(tmp_path / "var")
    made.root.mkdir()
    return made


def broken(file: Path, text: str = "bowerbird: [") -> None:
    file.write_text(text)


def remove(file: Path) -> None:
    file.unlink()


@asynccontextmanager
async def running(file: Path, var: Var) -> AsyncIterator[Live]:
    live = Live(file, var)
    await live.start()
    try:
        yield live
    finally:
        await live.stop()


async def becomes(true: Callable[[], bool]) -> float:
    """Wait until something is so and return how long it took."""
    begun = time.monotonic()
    await asyncio.to_thread(until, true)
    return time.monotonic() - begun


async def test_an_edit_is_taken_up_within_two_seconds_and_told(file: Path, var: Var):
    async with running(file, var) as live:
        heard: list[Platform] = []
        live.on_change(heard.append)
        write_platform(file, described(name="Edited"))
        assert await becomes(lambda: live.platform.name == "Edited") < TAKEN_UP_SECONDS
        assert [platform.name for platform in heard] == ["Edited"]
        assert live.error is None
    assert POLL_SECONDS <= 0.5


async def test_a_broken_edit_keeps_the_last_good_one_and_says_where_it_is_broken(file: Path, var: Var):
    async with running(file, var) as live:
        write_platform(file, described(profiles={"minimal": {"title": "M", "memory": "1 GiB", "cpu": 1, "teams": ["nobodys"]}}))
        await becomes(lambda: live.error is not None)
        assert live.error is not None
        assert f"{file}:" in live.error
        assert "nobodys" in live.error
        assert live.platform.name == PLATFORM["name"]
        remove(file)
        await becomes(lambda: "platform.yaml" in (live.error or "") and "nobodys" not in (live.error or ""))
        write_platform(file, described(name="Mended"))
        await becomes(lambda: live.platform.name == "Mended")
        await becomes(lambda: live.error is None)


async def test_undoing_a_broken_edit_clears_the_error(file: Path, var: Var):
    async with running(file, var) as live:
        broken(file, "\t: broken")
        await becomes(lambda: live.error is not None)
        write_platform(file, described())
        await becomes(lambda: live.error is None)
        assert live.platform.name == PLATFORM["name"]


async def test_an_edit_of_an_included_file_is_taken_up(file: Path, var: Var, tmp_path: Path):
    teams = described().pop("teams")
    write_platform(tmp_path / "teams.yaml", {"teams": teams})
    write_platform(file, {**{k: v for k, v in described().items() if k != "teams"}, "include": ["teams.yaml"]})
    async with running(file, var) as live:
        assert set(live.platform.teams) == {"craft", "eso"}
        write_platform(tmp_path / "teams.yaml", {"teams": {**teams, "aat": {"title": "AAT", "contact": "c"}}})
        await becomes(lambda: "aat" in live.platform.teams)
        assert live.identities.team_gid("aat") == 600_002


async def test_the_last_good_one_is_used_when_the_file_is_broken_at_the_start(file: Path, var: Var):
    async with running(file, var):
        pass
    assert stat.S_IMODE(var.platform.stat().st_mode) == 0o600
    assert Platform.model_validate(json.loads(var.platform.read_text())).name == PLATFORM["name"]
    broken(file)
    async with running(file, var) as live:
        assert live.platform.name == PLATFORM["name"]
        assert live.error is not None
        write_platform(file, described(name="Mended"))
        await becomes(lambda: live.platform.name == "Mended" and live.error is None)


async def test_a_broken_file_and_no_last_good_one_end_the_start(file: Path, var: Var):
    broken(file)
    with pytest.raises(ConfigError, match=str(file)):
        _ = Live(file, var).platform


async def test_a_damaged_last_good_one_is_not_used(file: Path, var: Var):
    var.platform.parent.mkdir()
    var.platform.write_text('{"bowerbird": 1')
    broken(file)
    with pytest.raises(ConfigError):
        _ = Live(file, var).platform


async def test_a_membership_given_by_an_edit_is_in_the_record(file: Path, var: Var):
    async with running(file, var) as live:
        await live.identities.sign_in("ann", [])
        write_platform(file, described(teams={"craft": {"title": "C", "contact": "c", "owners": ["ann"]}}))
        await becomes(lambda: _memberships(live, "ann") == (Membership("craft", Role.OWNER),))


def _memberships(live: Live, name: str) -> tuple[Membership, ...]:
    record = live.identities.record(name)
    return record.memberships if record else ()


@pytest.fixture
def lines(var: Var) -> Iterator[Callable[[], Any]]:
    connections = []

    def subscribe() -> Any:
        connections.append(connect(var.identity_socket, timeout=20))
        write_line(connections[-1], {"op": "subscribe"})
        return read_lines(connections[-1])

    yield subscribe
    for connection in connections:
        connection.close()


async def test_consumers_hear_of_sign_ins_edits_and_those_forgotten(file: Path, var: Var, lines: Callable[[], Any]):
    async with running(file, var) as live:
        ann = await live.identities.sign_in("ann", [])
        feed = await asyncio.to_thread(lines)

        async def after(*skipped: str) -> dict[str, Any]:
            while (message := await asyncio.to_thread(next, feed))["kind"] in skipped:
                pass
            return dict(message)

        announced = await after()
        assert announced["kind"] == "platform"
        assert Platform.model_validate(announced["platform"]) == live.platform
        assert IdentityRecord.from_json((await after())["record"]) == ann
        assert await after() == {"kind": "synced", "version": live.identities.version}
        ben = await live.identities.sign_in("ben", [])
        heard = await after("ping")
        assert (heard["version"], IdentityRecord.from_json(heard["record"])) == (ben.version, ben)
        write_platform(file, described(teams={"craft": {"title": "C", "contact": "c", "owners": ["ann"]}}))
        edited = await after("ping")
        assert (edited["kind"], edited["version"] > ben.version) == ("platform", True)
        changed = IdentityRecord.from_json((await after("ping"))["record"])
        assert (changed.name, changed.memberships, changed.version) == ("ann", (Membership("craft", Role.OWNER),), edited["version"])
        await live.identities.forget("ben")
        assert await after("ping") == {"kind": "forget", "name": "ben"}


async def test_nodes_hear_of_a_part_of_the_platform_before_anybody_has_signed_in(file: Path, var: Var):
    live = Live(file, var, sockets=False, parts=(SERVICES_RECORD,))
    await live.start()
    try:
        await live.identities.sign_in("ann", [])
        with live.node_feed.subscription() as pieces:
            told = [json.loads(line) for line in (await anext(pieces)).splitlines()]
        assert [message["kind"] for message in told] == ["platform", "identity", "identity", "synced"]
        assert IdentityRecord.from_json(told[1]["record"]) == SERVICES_RECORD
        # No store holds it, so that nobody can sign in as it or start a server of its.
        assert live.identities.record(SERVICES_ACCOUNT) is None
    finally:
        await live.stop()


async def test_a_listener_that_fails_keeps_no_other_on_the_old_platform(file: Path, var: Var):
    async with running(file, var) as live:
        heard: list[str] = []

        def fail(_platform: Platform) -> None:
            raise LookupError("a fault of a listener")

        live.on_change(fail)
        live.on_change(lambda platform: heard.append(platform.name))
        write_platform(file, described(name="Edited"))
        await becomes(lambda: heard == ["Edited"])


async def test_starting_twice_changes_nothing(file: Path, var: Var):
    async with running(file, var) as live:
        version = live.identities.version
        await asyncio.gather(live.start(), live.start())
        assert live.identities.version == version
