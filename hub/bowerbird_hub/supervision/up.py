"""The first command at work: parts started, kept alive, and ended when a signal says so."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from bowerbird_config.load import load
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.state import layout, logs
from bowerbird_hub.supervision import sweep
from bowerbird_hub.supervision.board import Board
from bowerbird_hub.supervision.demo_releases import DemoReleases, demo_releases
from bowerbird_hub.supervision.handover import LEAVE, code_of
from bowerbird_hub.supervision.ingest_sandbox import IngestSandbox
from bowerbird_hub.supervision.parts import Plan, parts_of
from bowerbird_hub.supervision.planning import Request, living_parts, plan_for
from bowerbird_hub.supervision.processes import end
from bowerbird_hub.supervision.records import boot_id
from bowerbird_hub.supervision.status import lacks
from bowerbird_hub.supervision.stopping import Hurry, stop_platform
from bowerbird_hub.supervision.supervisor import Supervisor
from bowerbird_hub.supervision.table_service import answering, probe

DEMO_ROW, SERVICE_ROW = "demo releases", "table service"
DONE, NOT_STARTED = 0, 2
_ROTATE_SECONDS = 20.0
_STRAYS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StopSignals:
    """The signals that end a platform: the first asks for it, a second takes the deadlines away; LEAVE ends us alone."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: Hurry = field(default_factory=Hurry)
    leave: asyncio.Event = field(default_factory=asyncio.Event)

    def listen(self) -> None:
        """Take the signals from now on."""
        # Who starts us so that a hang-up is ignored, as nohup does, means it.
        hang_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
        for signum in (signal.SIGINT, signal.SIGTERM, *hang_up):
            asyncio.get_running_loop().add_signal_handler(signum, self._arrived)
        asyncio.get_running_loop().add_signal_handler(LEAVE, self._left)

    def _left(self) -> None:
        self.leave.set()
        self.asked.set()

    def _arrived(self) -> None:
        if self.asked.is_set():
            self.hurry.now.set()
        self.asked.set()


@dataclass(frozen=True, slots=True)
class Start:
    """How a start is told: `over` is called once, with its exit code; `fallible` ends a platform that did not start."""

    over: Callable[[int], None]
    fallible: bool


async def serve(request: Request, platform: Platform, board: Board, start: Start) -> int:
    """Run a platform until a signal ends it; returns the exit code."""
    signals = StopSignals()
    signals.listen()
    # There is no await in it, so that a signal waits until the set-up is whole.
    plan = plan_for(request, platform, board.say)
    where = {"url": plan.url, "door": plan.door, "platform_file": str(plan.platform_file), "demo_accounts": accounts_of(plan)}
    holder = layout.holder(plan.var)
    board.tell(**where, phase="starting", boot=boot_id(), code=code_of(request.install), holder=holder and asdict(holder))
    for lack in lacks():
        board.say(f"missing here: {lack}")
    await sweep_before_start(plan.var)
    supervisor = Supervisor(parts_of(plan), plan.var.run / "parts", board.watch)
    supervisor.start()
    code = await _attend(plan, supervisor, board, start, signals)
    if signals.leave.is_set():
        await supervisor.let_go()
        board.say("newer code takes over; everything goes on")
        return DONE
    board.tell(phase="stopping")
    await supervisor.let_go()
    stuck = await stop_platform(plan.var, lambda step: board.row("stop", step), signals.hurry)
    supervisor.reap()
    for line in stuck:
        board.say(line)
    board.say("stopped" if not stuck else "stopped, but for what is named above")
    return code or (NOT_STARTED if stuck else DONE)


async def _attend(plan: Plan, supervisor: Supervisor, board: Board, start: Start, signals: StopSignals) -> int:
    """Return when the platform is to end, with the exit code that this means."""
    starting = asyncio.create_task(_start(plan, supervisor, board))
    rotating = asyncio.create_task(_rotate(plan.var))
    keeping = asyncio.create_task(_keep_tables(plan, board, starting))
    stopped = asyncio.create_task(signals.asked.wait())
    broken = asyncio.create_task(supervisor.failed())
    try:
        await asyncio.wait({starting, stopped, broken}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and not stopped.done():
            ready = starting.result()
            if start.fallible and not ready:
                board.say("the platform could not be started; what went wrong stands above")
                return NOT_STARTED
            _announce(plan, board, ready=ready)
            start.over(DONE)
            await asyncio.wait({stopped, broken}, return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            raise broken.result()
        return DONE
    finally:
        tasks = (starting, rotating, keeping, stopped, broken)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _start(plan: Plan, supervisor: Supervisor, board: Board) -> bool:
    making = asyncio.create_task(_make_demo_releases(plan, board))
    try:
        ready = await supervisor.settled()
        if ready and _ingests(plan).possible:
            await answering(probe(plan.ports), plan.var.logs / "hub.log", lambda state, rest: board.row(SERVICE_ROW, state, rest))
        await making
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
    return ready


async def _make_demo_releases(plan: Plan, board: Board) -> None:
    demo = await asyncio.to_thread(_demo_releases, plan)
    if demo is None:
        return
    board.made(DEMO_ROW, "making", "the first time takes up to a minute; signing in does not wait for it")
    wrong = await demo.make(lambda line: board.made(DEMO_ROW, "making", line), plan.environment)
    if wrong:
        board.made(DEMO_ROW, "missing", f"{wrong}; the platform runs without them, the next start tries again")
    else:
        board.made(DEMO_ROW, "ready")


def _demo_releases(plan: Plan) -> DemoReleases | None:
    install = plan.install
    if not (install.recipe.exists() and install.default_platform.exists()):
        return None
    demo = demo_releases(install, plan.var, plan.platform, load(install.default_platform))
    return None if not demo.releases or demo.made else demo


async def _keep_tables(plan: Plan, board: Board, starting: asyncio.Task[bool]) -> None:
    """Make the tables after the start, so that signing in waits for none, then the HiPS of images, and keep both."""
    await asyncio.wait({starting})
    await _ingests(plan).keep(lambda making, state, said: board.made(making.name, state, "; ".join(said)))


def _ingests(plan: Plan) -> IngestSandbox:
    return IngestSandbox(plan.install, plan.var, plan.as_root, plan.environment)


async def _rotate(var: Var) -> None:
    while True:
        with suppress(OSError):
            await asyncio.to_thread(logs.rotate, var.logs)
        await asyncio.sleep(_ROTATE_SECONDS)


async def sweep_before_start(var: Var) -> None:
    """End what a platform that was killed left behind and what nobody will take over."""
    sweep.forget_dead_records(var)
    living = living_parts(var)
    await end(sweep.strays(var, living), _STRAYS_SECONDS)
    if not (living or sweep.servers(var) or sweep.workers(var)):
        await asyncio.to_thread(sweep.unmount_below, var.run)


def accounts_of(plan: Plan) -> str | None:
    """Return the file with the demo accounts, where there are any."""
    return str(plan.var.accounts) if plan.platform.sign_on.demo else None


def _announce(plan: Plan, board: Board, *, ready: bool) -> None:
    board.tell(phase="running")
    accounts = accounts_of(plan)
    board.say(f"\n{plan.platform.name} is {'ready' if ready else 'not whole, and goes on trying,'} at {plan.url}")
    if accounts:
        board.say(f"demo accounts: {accounts}")
