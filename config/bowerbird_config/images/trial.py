"""An image held to its contract, in itself, and the environment that is on one machine what it is."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bowerbird_config.images.building import Workplace, output, private_folder
from bowerbird_config.images.contract import Contract
from bowerbird_config.images.engine import CONTRACT, CannotBuild, Engine, Tag, limits
from bowerbird_config.images.on_machine import SYSTEM_PATH, LocalEnvironment
from bowerbird_config.install import Install

_USER = "10001:10001"
_FRAMES = "/run/frames"


def broken(workplace: Workplace, name: str, contract: Contract, brought: Path) -> list[str]:
    """Return the promises that an image does not keep; CannotBuild where it cannot be asked."""
    tag = workplace.tag(name)
    if str(tag) not in workplace.present():
        raise CannotBuild(f"there is no image {tag} here; make it with: bowerbird images build {name}")
    with private_folder() as folder:
        folder.chmod(0o755)
        (folder / "contract.json").write_text(contract.model_dump_json())
        shutil.copy(workplace.root / "images/check.py", folder)
        mounts = {folder: CONTRACT, **frames(contract, brought)}
        with in_image(workplace.engine, tag, mounts) as command:
            return _ask([*command, "python3", "-I", f"{CONTRACT}/check.py", f"{CONTRACT}/contract.json", _FRAMES])


def broken_here(environment: LocalEnvironment, contract: Contract, install: Install) -> list[str]:
    """Return the promises that an environment of this machine does not keep."""
    with private_folder() as folder:
        (folder / "contract.json").write_text(contract.model_dump_json())
        for path, name in frames(contract, install.base).items():
            (folder / Path(name).name).symlink_to(path)
        asked = [str(environment.python), "-I", str(install.images / "check.py"), str(folder / "contract.json"), str(folder), "environment"]
        return _ask(asked, {**os.environ, "PATH": f"{environment.python.parent}:{SYSTEM_PATH}:/bin"})


def _ask(command: Sequence[str], told: Mapping[str, str] | None = None) -> list[str]:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=told)
    if done.returncode == 0 and not done.stdout:
        return []
    return done.stdout.splitlines() or [f"it could not be asked: {done.stderr.strip()[-600:]}"]


def frames(contract: Contract, brought: Path) -> dict[Path, str]:
    """Return the real files that its tasks are done on, where the launcher brought them."""
    wanted = {name: brought / path for task in contract.tasks for name, path in task.frames.items()}
    return {path: f"{_FRAMES}/{name}" for name, path in wanted.items() if path.exists()}


@contextmanager
def in_image(engine: Engine, tag: Tag, mounts: Mapping[Path, str]) -> Iterator[Sequence[str]]:
    """Give what stands before a command that is to run in an image, as its own user."""
    volumes = [f"--volume={source}:{target}:ro" for source, target in mounts.items()]
    if engine.kind == "podman":
        ulimits = (f"--ulimit={name}={limit}:{limit}" for name, limit in limits().items())
        inside = ("--rm", "--pull=never", "--network=none", "--read-only", "--tmpfs=/tmp", f"--user={_USER}", "--entrypoint=[]")
        yield [engine.program, "run", *inside, *ulimits, *volumes, str(tag)]
        return
    container = output([engine.program, "from", "--pull=never", str(tag)]).strip()
    try:
        yield [engine.program, "run", "--isolation=chroot", f"--user={_USER}", *volumes, container, "--"]
    finally:
        output([engine.program, "rm", container])
