"""What a build takes over of this machine: how its package clients reach their servers. No image holds it: it is mounted for the build."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from bowerbird_config.images.engine import MACHINE

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# A proxy is handed on by the engines themselves.
_ADDRESSES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "npm_config_registry", "NPM_CONFIG_REGISTRY")
_TRUST = ("PIP_CERT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "npm_config_cafile")
# By its name in the mount, the variable that leads there and the files that may hold it, the nearer first.
_FILES = {
    "pip.conf": ("PIP_CONFIG_FILE", ("~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/pip.conf")),
    "npmrc": ("npm_config_userconfig", ("~/.npmrc", "/etc/npmrc")),
}


def settle(folder: Path, environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> dict[Path, str]:
    """Write the settings into a folder that only we can read, and return what to mount where."""
    told = {name: environment[name] for name in _ADDRESSES if environment.get(name)}
    certificates = root / _CERTIFICATES.relative_to("/")
    if certificates.exists():
        (folder / "certificates.crt").write_bytes(certificates.read_bytes())
        told |= dict.fromkeys(_TRUST, f"{MACHINE}/certificates.crt")
    for name, (variable, places) in _FILES.items():
        found = [place for place in (Path(place).expanduser() for place in places) if (root / place.relative_to("/")).is_file()]
        if found:
            (folder / name).write_bytes((root / found[0].relative_to("/")).read_bytes())
            told[variable] = f"{MACHINE}/{name}"
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in told.items())
    (folder / "environment").write_text("".join(lines))
    return {folder: MACHINE}
