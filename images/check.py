"""Holds an image to its contract, in the image itself: `python3 -I check.py CONTRACT.json FRAMES`, with the standard library alone.

With a third word, `environment`, it is not an image but the environment of one machine, which has no files of its own outside of Python's.
Prints a line for each promise that is not kept, and nothing else; its exit code says whether there was one.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SECONDS = 300
# A kernel is started as JupyterLab starts it, and answers.
KERNEL = """
import sys
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name=sys.argv[1], transport="ipc")
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=120)
answers = []
client.execute_interactive("print(6 * 7)", timeout=60, output_hook=lambda said: answers.append(said["content"].get("text", "")))
client.stop_channels()
manager.shutdown_kernel(now=True)
assert "".join(answers).strip() == "42", answers
"""


def run(command: list[str], folder: Path) -> str:
    """Run a command and return what it said where it failed, else nothing."""
    environment = {**os.environ, "HOME": str(folder), "JUPYTER_RUNTIME_DIR": str(folder), "IPYTHONDIR": str(folder / "ipython")}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    words = (done.stderr.strip() or done.stdout.strip() or "it said nothing")[-600:]
    return f"ended with {done.returncode}: {words}" if done.returncode else ""


def standing(contract: dict[str, Any]) -> Iterator[str]:
    """Look at what stands in the image, and at who we are in it."""
    if os.geteuid() == 0:
        yield "the image runs as root"
    for place in (sys.prefix, "/usr"):
        if os.access(place, os.W_OK):
            yield f"{place} can be written to"
    for name in contract["files"]:
        if not Path(name).exists():
            yield f"there is no file {name}"
    for name, target in contract["links"].items():
        found = os.path.join("/", os.readlink(name)) if os.path.islink(name) else None
        if found != target:
            yield f"{name} is no link to {target}"


def programs(contract: dict[str, Any], folder: Path) -> Iterator[str]:
    """Run each command."""
    for name, arguments in contract["commands"].items():
        if shutil.which(name) is None:
            yield f"there is no command {name}"
        elif failed := run([name, *arguments], folder):
            yield f"{name}: {failed}"


def modules(contract: dict[str, Any], folder: Path) -> Iterator[str]:
    """Import each module, and talk with each kernel."""
    for name in contract["imports"]:
        if failed := run([sys.executable, "-I", "-c", f"import {name}"], folder):
            yield f"import {name}: {failed}"
        elif not compiled(name):
            yield f"{name} has no bytecode"
    for name in contract["kernels"]:
        if failed := run([sys.executable, "-I", "-c", KERNEL, name], folder):
            yield f"kernel {name}: {failed}"


def compiled(name: str) -> bool:
    """Tell whether a module was compiled when the image was made."""
    spec = importlib.util.find_spec(name)
    source = spec.origin if spec is not None else None
    return source is None or not source.endswith(".py") or Path(importlib.util.cache_from_source(source)).exists()


def work(task: dict[str, Any], frames: Path, folder: Path) -> Iterator[str]:
    """Do a real piece of work on its frames."""
    for name, text in task["files"].items():
        (folder / name).write_text(text)
    absent = [name for name in task["frames"] if not (frames / name).exists()]
    if absent:
        yield f"{task['title']}: without {', '.join(absent)} it was not done"
    elif failed := run([word.replace("/frames", str(frames)) for word in task["run"]], folder):
        yield f"{task['title']}: {failed}"
    else:
        yield from (f"{task['title']}: left no {name}" for name in task["leaves"] if not (folder / name).exists())


def broken(contract: dict[str, Any], frames: Path, *, image: bool) -> Iterator[str]:
    """Yield every promise that is not kept."""
    if image:
        yield from standing(contract)
    with tempfile.TemporaryDirectory() as folder:
        yield from programs(contract, Path(folder))
        yield from modules(contract, Path(folder))
    for task in contract["tasks"]:
        with tempfile.TemporaryDirectory() as folder:
            yield from work(task, frames, Path(folder))


def main() -> int:
    """Print what is broken; return whether anything is."""
    found = list(broken(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), image=sys.argv[3:] != ["environment"]))
    for line in found:
        print(line)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
