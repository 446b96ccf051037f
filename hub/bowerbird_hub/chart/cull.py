"""The culler on a cluster: JupyterHub's own, with the limit of the platform file."""

import argparse
import os
import sys
from pathlib import Path

from bowerbird_config.load import ConfigError, load
from bowerbird_hub.managed import culler_command


def main() -> None:
    """Become the culler."""
    parser = argparse.ArgumentParser(description="Stop servers that have been idle for longer than the platform file allows.")
    parser.add_argument("--platform", type=Path, required=True, help="the platform file")
    try:
        idle = load(parser.parse_args().platform).limits.idle
    except ConfigError as error:
        raise SystemExit(str(error)) from None
    if idle is None:
        raise SystemExit("the platform file lets idle servers live for ever")
    command = culler_command(Path(sys.executable), idle)
    os.execv(command[0], command)  # noqa: S606  # a list of our own


if __name__ == "__main__":
    main()
