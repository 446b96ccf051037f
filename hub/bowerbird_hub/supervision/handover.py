"""The way from a running supervisor to one of newer code: it goes alone, and all that it started goes on."""

import asyncio
import signal

from bowerbird_config.install import Install
from bowerbird_config.paths import Var
from bowerbird_hub.state import layout
from bowerbird_hub.supervision import board
from bowerbird_hub.supervision.processes import outlived

LEAVE = signal.SIGUSR1
_LEAVING_SECONDS = 10.0


def code_of(install: Install) -> str:
    """Return what tells the code of supervisor, hub and data from newer code."""
    return install.code_of("config", "fuse", "hub")


def ask_for_it(var: Var, install: Install) -> bool:
    """Ask a supervisor of other code to leave; True once it is gone. One of the same code, or that is starting, is left alone.

    One from before this was known ends by the signal, which is as good: its parts go on, and the next one takes them over.
    """
    supervisor, told = layout.holder(var), board.told(var)
    if supervisor is None or told.get("phase") != "running" or told.get("code") == code_of(install):
        return False
    supervisor.send(LEAVE)
    return not asyncio.run(outlived([supervisor], _LEAVING_SECONDS))
