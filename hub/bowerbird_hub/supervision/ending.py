"""`down`: the supervisor asked to end, and what is left of it ended for it."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable

from bowerbird_config.paths import Var
from bowerbird_hub.state import copied, layout
from bowerbird_hub.supervision import sweep
from bowerbird_hub.supervision.board import told_by_holder
from bowerbird_hub.supervision.processes import outlived
from bowerbird_hub.supervision.stopping import stop_platform

SUPERVISOR_SECONDS = 60.0
_LOCK_SECONDS = 5.0
_POLL_SECONDS = 0.05


def end_platform(var: Var, say: Callable[[str], None]) -> list[str]:
    """End what runs for this directory; returns what could not be ended. VarInUse where somebody else begins meanwhile."""
    if said := copied.disown(var):
        say(said)
    supervisor = layout.holder(var)
    if supervisor and supervisor.send(signal.SIGTERM):
        say("asking the supervisor to end the platform")
        if asyncio.run(outlived([supervisor], SUPERVISOR_SECONDS)):
            say(f"the supervisor did not end in {SUPERVISOR_SECONDS:g} s and is killed")
            supervisor.send(signal.SIGKILL)
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            with layout.held(var):
                return asyncio.run(stop_platform(var, lambda step: None))
        except layout.VarInUse:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def wait_while_ending(var: Var) -> None:
    """Return when no supervisor is about to end, so that a start does not take it for one that runs."""
    supervisor = layout.holder(var)
    if supervisor and told_by_holder(var).get("phase") == "stopping":
        asyncio.run(outlived([supervisor], SUPERVISOR_SECONDS))


def is_up_after_start(var: Var) -> bool:
    """Return once the command that holds the directory has started the platform, True, or has ended without."""
    while layout.holder(var):
        if told_by_holder(var).get("phase") == "running":
            return True
        time.sleep(_POLL_SECONDS)
    return False


def purge(var: Var) -> str | None:
    """Delete a stopped platform with all its homes and spaces; returns why it did not."""
    mounted = sweep.mounts_below(var.root)
    if mounted:
        return f"{mounted[0]} is mounted, and what lies behind it would be deleted too; unmount it first"
    # rm, and not shutil: a user may have made folders deeper than Python can follow.
    done = subprocess.run(["rm", "-rf", "--one-file-system", "--", str(var.root)], capture_output=True, text=True, check=False)
    return f"{var.root} could not be deleted: {done.stderr.strip().splitlines()[0]}" if done.returncode else None
