"""The demo accounts, as the hub wrote them down: names, titles, salted hashes of passwords, attributes."""

import hashlib
import hmac
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The hub writes with the same figures (bowerbird_hub/sign_on/demo_accounts.py); passwords are long and random, so it may be quick.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**13, 8, 1
# Each comparison takes 8 MiB and some 20 ms: more at once would only help whoever floods the form.
_AT_ONCE = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Account:
    """One demo account."""

    name: str
    salt: bytes
    hashed: bytes
    attributes: Mapping[str, list[str]]


@dataclass(frozen=True)
class Contents:
    """What the file says."""

    platform: str = "Bowerbird"
    contact: str = ""
    home: str = ""
    services: tuple[str, ...] = ()
    accounts: Mapping[str, Account] = field(default_factory=dict)


def read(path: Path) -> Contents:
    """Read the file that the hub wrote."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    accounts = {
        name: Account(name, bytes.fromhex(entry["salt"]), bytes.fromhex(entry["hash"]), entry["attributes"])
        for name, entry in raw["accounts"].items()
    }
    return Contents(raw["platform"], raw["contact"], raw["home"], tuple(raw["services"]), accounts)


def matches(account: Account | None, password: str) -> bool:
    """Compare a password in the same time whether the account exists or not."""
    salt, hashed = (account.salt, account.hashed) if account else (bytes(16), bytes(64))
    with _AT_ONCE:
        tried = hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
    return hmac.compare_digest(tried, hashed) and account is not None


class Book:
    """The file, read again when it changed; one that cannot be read leaves the last good one in force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._contents = Contents()

    @property
    def contents(self) -> Contents:
        """What the file says now."""
        with self._lock:
            try:
                found = self._path.stat()
                stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
                if stamp != self._stamp:
                    self._contents, self._stamp = read(self._path), stamp
            except (OSError, ValueError, KeyError):
                if self._stamp is None:
                    raise
            return self._contents

    def account(self, name: str) -> Account | None:
        """Return the account of that name, in whatever case it was typed."""
        return self.contents.accounts.get(name.strip().lower())


_BOOK: list[Book] = []


def open_book(path: Path) -> Book:
    """Make that file the one that the server signs people in from; it is read once at least."""
    book = Book(path)
    _ = book.contents
    _BOOK[:] = [book]
    return book


def the_book() -> Book:
    """Return the opened book: the CAS server makes its own objects, so it cannot be handed to them."""
    return _BOOK[0]
