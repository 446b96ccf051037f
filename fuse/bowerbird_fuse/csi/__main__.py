"""`python -m bowerbird_fuse.csi`: the keeper and the node plugin, supervised."""

import logging
import os
import signal
import sys
from collections.abc import Sequence

from bowerbird_config.paths import Var

from bowerbird_fuse.csi import options
from bowerbird_fuse.csi.options import Options
from bowerbird_fuse.csi.supervisor import Part, Supervisor
from bowerbird_fuse.csi.volumes import volumes_directory
from bowerbird_fuse.turn import open_lock

# The plugin finishes its calls (serving.FINISH_SECONDS); the keeper hands over.
_PLUGIN_SECONDS, _KEEPER_SECONDS = 45.0, 10.0


def _keeper_ends_on(var: Var) -> signal.Signals:
    # What pods have open goes on with the next keeper, as the holder has it; where no pod has any, nothing is to be left.
    return signal.SIGUSR2 if any(volumes_directory(var).glob("*.json")) else signal.SIGTERM


def _parts(asked: Options, words: Sequence[str], lock: int) -> list[Part]:
    turn = ["--turn", str(lock)]
    warm = ["--warm", str(asked.warm / "keeper")] if asked.warm else []
    keeper = ["-m", "bowerbird_fuse.keeper", "--var", str(asked.var.root), *turn, *warm]
    return [
        Part("the keeper", keeper, lambda: _keeper_ends_on(asked.var), _KEEPER_SECONDS),
        Part("the plugin", ["-m", "bowerbird_fuse.csi.plugin", *words, *turn], lambda: signal.SIGTERM, _PLUGIN_SECONDS),
    ]


def main() -> None:
    """Keep both alive until SIGTERM."""
    words = sys.argv[1:]
    asked = options.parse(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s")
    lock = open_lock(asked.var)
    # Theirs as well as ours: the next pod waits until all of them have ended.
    os.set_inheritable(lock, True)
    Supervisor(_parts(asked, words, lock)).run()
    # People wait for the next one, and it for this end; to take the interpreter down would lengthen it.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
