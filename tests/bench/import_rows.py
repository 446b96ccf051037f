"""What `import bowerbird` costs above what a notebook imports anyhow, each in a fresh interpreter."""

import subprocess
import sys

from tests.bench.row import Row

_CLOCK = "import time, astropy.table; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
_GOAL_SECONDS = 0.35
_DEADLINE_SECONDS = 60
_ENGINE = "import bowerbird, bowerbird.image, bowerbird.product, bowerbird.stencil, astropy.coordinates"


def seconds(statement: str) -> float:
    """Run a statement after `import astropy.table` and return how long it took."""
    command = [sys.executable, "-c", _CLOCK.format(statement)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=_DEADLINE_SECONDS).stdout)


def rows(rounds: int) -> list[Row]:
    """Measure the import, and what the first cutout imports besides."""
    both = (("import", "import bowerbird, above astropy.table", "import bowerbird"), ("import-engine", "and the cutout engine", _ENGINE))
    for _, _, statement in both:
        seconds(statement)  # the files come into memory
    measured = {name: [seconds(statement) for _ in range(rounds)] for name, _, statement in both}
    return [Row.alone(name, what, measured[name], unit="s", goal=_GOAL_SECONDS, better="lower") for name, what, _ in both]
