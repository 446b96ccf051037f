"""The scripts that the proxy is started with.

What breaks off behind it breaks off for its client too, programs read what is away, and an address that nobody can read is said to be one.
"""

from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_hub.state.state_files import write_text
from bowerbird_hub.supervision.away import away_directory

SCRIPTS = tuple(Path(__file__).with_name(name) for name in ("broken_answers.cjs", "away.cjs", "unreadable.cjs"))


def write_scripts(var: Var) -> None:
    """Write the scripts where the proxy, which is not root, can read them whatever the checkout's own modes are."""
    for script in SCRIPTS:
        write_text(away_directory(var) / script.name, script.read_text(), 0o644)


def node_options(var: Var) -> str:
    """Return the value of NODE_OPTIONS that loads them."""
    return " ".join(f"--require {_quoted(away_directory(var) / script.name)}" for script in SCRIPTS)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
