"""The platform's own secrets: made once by chance, one 0600 file each, never in an argv."""

import secrets

from bowerbird_config.paths import Var
from bowerbird_hub.state.state_files import write_text

OWN = ("proxy-token", "cookie-secret", "crypt-key", "supervisor-token")
_BYTES = 32


def make_secrets(var: Var) -> None:
    """Make each of the platform's own secrets that is not there yet."""
    for name in OWN:
        if not (var.secrets / name).exists():
            write_text(var.secrets / name, secrets.token_hex(_BYTES) + "\n", 0o600)


def read_secret(var: Var, name: str) -> str:
    """Return one of the platform's own secrets."""
    return (var.secrets / name).read_text().strip()
