"""All checks of the project, in the test environment: `./bowerbird test [options] [pytest arguments]`; --help says which there are."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts import fresh

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.prefix, "bin")
CHECKS: Mapping[str, Sequence[str]] = {
    "ruff check": (sys.executable, "-m", "ruff", "check", "."),
    "ruff format": (sys.executable, "-m", "ruff", "format", "--check", "."),
    "mypy": (sys.executable, "-m", "mypy"),
    "import-linter": (sys.executable, str(PROGRAMS / "lint-imports")),
}
USAGE = """\
Usage: ./bowerbird test [--long] [--peers] [--cluster] [--images] [pytest arguments]
       ./bowerbird test --fresh [the same]

Sets up what is missing, then runs ruff, mypy, import-linter and pytest.

  --long    also the soaks, in full
  --peers   also what needs another program, which it installs (DaCHS of Debian)
  --cluster also on a Kubernetes of two nodes, built for it from Go modules (20 minutes once) and started on this machine; needs root and Go
  --images  also what builds images, with buildah or podman, and runs them; needs root, and an hour
  --fresh   run `up` and `test` of a clone of this checkout in a new Debian, which is made for it and removed; needs root

What else stands there goes to pytest, such as the path of a test file, -k NAME or -x."""
# How pytest learns of them: it names them just before its closing line.
FAILED_CHECKS = "BOWERBIRD_FAILED_CHECKS"
# Many tests wait for programs that they started, so that two at a time are nearly twice as quick; of more, deadlines suffer.
AT_ONCE = ("-n", "2")


def run_checks(checks: Mapping[str, Sequence[str]] = CHECKS) -> list[str]:
    """Run the checks of the code's form and return the names of those that failed, having shown what they said."""
    failed = []
    for name, command in checks.items():
        began = time.monotonic()
        ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        verdict = "passed" if ended.returncode == 0 else "FAILED"
        print(f"{name}: {verdict} ({time.monotonic() - began:.1f} s)", flush=True)
        if ended.returncode != 0:
            print(ended.stdout, flush=True)
            failed.append(name)
    return failed


def run_tests(arguments: Sequence[str], failed: Sequence[str]) -> int:
    """Run pytest, whose closing line is the last that anybody sees, and return the exit code of it all.

    Tests that are named run one after the other, as somebody looks at them; all of them two at a time.
    """
    environment = {**os.environ, FAILED_CHECKS: ", ".join(failed)}
    is_named = any(not argument.startswith("-") for argument in arguments)
    command = [sys.executable, "-m", "pytest", *(() if is_named else AT_ONCE), *arguments]
    ended = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    return ended.returncode or bool(failed)


def main() -> int:
    """Run everything, here or, with --fresh, on a Debian that holds nothing."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        return 0
    if "--fresh" in arguments:
        return fresh.main([argument for argument in arguments if argument != "--fresh"])
    return run_tests(arguments, run_checks())


if __name__ == "__main__":
    sys.exit(main())
