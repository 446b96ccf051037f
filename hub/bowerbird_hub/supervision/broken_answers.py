"""What the proxy is started with so that an answer that breaks off behind it breaks off for its client too."""

from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_hub.state.state_files import write_text
from bowerbird_hub.supervision.away import away_directory

_SCRIPT = Path(__file__).with_suffix(".cjs")


def write_script(var: Var) -> None:
    """Write the script where the proxy, which is not root, can read it whatever the checkout's own modes are."""
    write_text(_place(var), _SCRIPT.read_text(), 0o644)


def node_options(var: Var) -> str:
    """Return the value of NODE_OPTIONS that loads it."""
    quoted = str(_place(var)).replace("\\", "\\\\").replace('"', '\\"')
    return f'--require "{quoted}"'


def _place(var: Var) -> Path:
    return away_directory(var) / _SCRIPT.name
