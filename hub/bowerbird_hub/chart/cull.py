"""The culler on a cluster: JupyterHub's own, with the limit of the platform file as it is now."""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from bowerbird_config.load import ConfigError
from bowerbird_hub.identity.platform_file import PlatformFile
from bowerbird_hub.managed import culler_command

_LOOK_SECONDS = 1.0
_END_SECONDS = 5.0


class _Limit:
    """How long servers may be idle, in the platform file as it stands; a broken edit leaves what was in force."""

    def __init__(self, path: Path) -> None:
        self._file = PlatformFile(path)
        self.idle = self._file.load().limits.idle

    def renewed(self) -> bool:
        """Look at the file; tell whether it says another limit now."""
        before, self.idle = self.idle, self._read()
        return self.idle != before

    def _read(self) -> timedelta | None:
        try:
            if self._file.edited():
                return self._file.load().limits.idle
        except ConfigError as error:
            print(f"the platform file cannot be read, and the limit on idle servers stays as it is: {error}", file=sys.stderr, flush=True)
        return self.idle


def main() -> None:
    """Keep a culler until SIGTERM."""
    parser = argparse.ArgumentParser(description="Stop servers that have been idle for longer than the platform file allows.")
    parser.add_argument("--platform", type=Path, required=True, help="the platform file")
    path = parser.parse_args().platform
    # Not an exception, which could come between the start of a culler and the promise to end it.
    told_to_end: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, _frame: told_to_end.append(signum))
    try:
        limit = _Limit(path)
    except ConfigError as error:
        raise SystemExit(str(error)) from None
    while not told_to_end:
        with _culler(limit.idle) as culler:
            while not told_to_end and not limit.renewed():
                if culler is not None and culler.poll() is not None:
                    sys.exit(culler.returncode)
                time.sleep(_LOOK_SECONDS)


@contextmanager
def _culler(idle: timedelta | None) -> Iterator["subprocess.Popen[bytes] | None"]:
    """Keep a culler with that limit while the block runs; none where idle servers may live for ever."""
    if idle is None:
        yield None
        return
    culler = subprocess.Popen(culler_command(Path(sys.executable), idle))
    try:
        yield culler
    finally:
        culler.terminate()
        try:
            culler.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            culler.kill()
            culler.wait()


if __name__ == "__main__":
    main()
