"""The demo accounts of the platform file, with passwords made by chance: one file for people, one for the CAS server."""

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_config.sign_on import DemoAccount
from bowerbird_hub.state.state_files import read_json, write_json, write_text

# Easily read aloud and typed: nothing that looks like something else. 16 of 32 are 80 bits.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_CHARACTERS = 4, 4
# The same figures as in demo_cas/book.py, which runs where nothing of ours can be imported.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**13, 8, 1


def passwords_file(var: Var) -> Path:
    """Return where the passwords themselves are kept, for the hub alone."""
    return var.secrets / "demo-accounts.json"


def server_file(var: Var) -> Path:
    """Return what the CAS server reads; it lies in the server's own directory, so that a new one can take its place."""
    return var.cas / "accounts.json"


def _password() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_CHARACTERS)) for _ in range(_GROUPS))


def _entry(account: DemoAccount, password: str) -> dict[str, Any]:
    salt = secrets.token_bytes(16)
    hashed = hashlib.scrypt(password.encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
    attributes = {"displayName": [account.title], "memberOf": list(account.groups)}
    return {"salt": salt.hex(), "hash": hashed.hex(), "attributes": {name: values for name, values in attributes.items() if values}}


def for_people(accounts: Mapping[str, DemoAccount], passwords: Mapping[str, str]) -> str:
    """Return the file that a person reads: name, password, who it is."""
    width = max(map(len, accounts))
    lines = [f"{name:<{width}}  {passwords[name]}  {account.title}" for name, account in accounts.items()]
    return "\n".join(lines) + "\n"


def for_server(platform: Platform, passwords: Mapping[str, str], home: str, services: Iterable[str]) -> dict[str, Any]:
    """Return the file that the CAS server reads: hashes, never a password."""
    accounts = platform.sign_on.demo.accounts if platform.sign_on.demo else {}
    entries = {name: _entry(account, passwords[name]) for name, account in accounts.items()}
    return {"platform": platform.name, "contact": platform.contact, "home": home, "services": list(services), "accounts": entries}


def write(platform: Platform, var: Var, home: str, services: Iterable[str], owner: int | None = None) -> None:
    """Write both files; passwords stay as they were made, and `owner` is the uid that the CAS server runs as."""
    demo = platform.sign_on.demo
    if demo is None:
        return
    var.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    var.cas.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = read_json(passwords_file(var))
    passwords = {name: str(known.get(name) or _password()) for name in demo.accounts}
    write_json(passwords_file(var), {**known, **passwords})
    write_text(var.accounts, for_people(demo.accounts, passwords))
    write_json(server_file(var), for_server(platform, passwords, home, services))
    if owner is not None:
        for path in (var.cas, server_file(var)):
            os.chown(path, owner, owner)
