"""`python -m bowerbird_fuse.csi`: the keeper and the node plugin, supervised."""

import logging
import signal
import sys

from bowerbird_config.paths import Var

from bowerbird_fuse.csi import options
from bowerbird_fuse.csi.supervisor import Part, Supervisor
from bowerbird_fuse.csi.volumes import volumes_directory

# The plugin finishes its calls (serving.FINISH_SECONDS); the keeper hands over.
_PLUGIN_SECONDS, _KEEPER_SECONDS = 45.0, 10.0


def _keeper_ends_on(var: Var) -> signal.Signals:
    # What pods have open goes on with the next keeper, as the holder has it; where no pod has any, nothing is to be left.
    return signal.SIGUSR1 if any(volumes_directory(var).glob("*.json")) else signal.SIGTERM


def main() -> None:
    """Keep both alive until SIGTERM."""
    words = sys.argv[1:]
    var = options.parse(words).var
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s")
    var.run.mkdir(parents=True, exist_ok=True)
    keeper = Part("the keeper", ["-m", "bowerbird_fuse.keeper", "--var", str(var.root)], lambda: _keeper_ends_on(var), _KEEPER_SECONDS)
    plugin = Part("the plugin", ["-m", "bowerbird_fuse.csi.plugin", *words], lambda: signal.SIGTERM, _PLUGIN_SECONDS)
    Supervisor([keeper, plugin]).run()


if __name__ == "__main__":
    main()
