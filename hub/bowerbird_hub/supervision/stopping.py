"""The end of a platform: every process, mount and socket of it, in the reverse order of the start."""

import asyncio
from collections.abc import Awaitable, Callable

from bowerbird_config.paths import Var
from bowerbird_hub.runtimes import remnants
from bowerbird_hub.supervision import records, sweep
from bowerbird_hub.supervision.parts import HOLDER, HUB, KEEPER, PROXY
from bowerbird_hub.supervision.processes import Process, end, tree

# How long each may take before it is killed. The hub alone lets its services go; servers save what they hold.
HUB_SECONDS, SERVER_SECONDS, KEEPER_SECONDS, PROXY_SECONDS, REST_SECONDS = 10.0, 5.0, 10.0, 3.0, 3.0


class Hurry:
    """Deadlines that a second signal takes away."""

    def __init__(self) -> None:
        self.now = asyncio.Event()

    async def end(self, processes: list[Process], within_seconds: float) -> None:
        """End processes within that time, or at once when hurried."""
        if not processes:
            return
        ending = asyncio.ensure_future(end(processes, within_seconds))
        hurried = asyncio.ensure_future(self.now.wait())
        await asyncio.wait({ending, hurried}, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not ending.done():
            ending.cancel()
            await end(processes, 0.0)


async def stop_platform(var: Var, say: Callable[[str], None], hurry: Hurry | None = None) -> list[str]:
    """End everything that runs for this directory; returns what could not be ended, in words."""
    hurry = hurry or Hurry()
    steps: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
        (HUB, lambda: hurry.end(_main(var, HUB), HUB_SECONDS)),
        ("servers", lambda: _end_servers(var, hurry)),
        (KEEPER, lambda: hurry.end(_main(var, KEEPER), KEEPER_SECONDS)),
        (HOLDER, lambda: hurry.end(_main(var, HOLDER), REST_SECONDS)),
        (PROXY, lambda: hurry.end(_whole(var, PROXY), PROXY_SECONDS)),
        ("the rest", lambda: hurry.end(sweep.everything(var), REST_SECONDS)),
    )
    for name, step in steps:
        say(f"ending {name}")
        await step()
    stuck = [f"process {process.pid} could not be ended" for process in sweep.everything(var)]
    stuck += await asyncio.to_thread(sweep.unmount_below, var.run)
    sweep.clear_run(var)
    return stuck


async def _end_servers(var: Var, hurry: Hurry) -> None:
    await hurry.end(sweep.server_mains(var), SERVER_SECONDS)
    await hurry.end(sweep.servers(var), 0.0)
    await asyncio.to_thread(remnants.clear, var)


def _main(var: Var, name: str) -> list[Process]:
    record = records.read(var.run / "parts", name)
    return [record.process] if record and record.process else []


def _whole(var: Var, name: str) -> list[Process]:
    return [process for main in _main(var, name) for process in tree(main)]
