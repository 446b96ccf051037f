"""The lines by which clients of the Virtual Observatory ask for tables: what pages show and tests run. Pure."""

import json
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

# Curl reads it, and so do Python and `sed`; it is overwritten by the next token, so that no older one is found first.
NETRC = "~/.bowerbird.netrc"


@dataclass(frozen=True, slots=True)
class Lines:
    """A few lines of one language, with what they are for."""

    id: str
    title: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Clients:
    """What the clients of one service write. `tap_url` is where TAP is."""

    tap_url: str

    @property
    def host(self) -> str:
        """The host that a token is for."""
        return urlsplit(self.tap_url).hostname or ""

    def keep(self, user: str, token: str) -> Lines:
        """Return what keeps a token in a file that its owner alone reads; no program's arguments have it."""
        words = " ".join(shlex.quote(word) for word in (self.host, user, token))
        text = f"(umask 077; printf 'machine %s login %s password %s\\n' {words} > {NETRC})"
        return Lines("keep", "Keep the token", "sh", text)

    def pyvo(self, adql: str, signed: bool) -> Lines:
        """Return a query by pyvo, as the owner of the token that was kept where `signed`."""
        if not signed:
            text = f"import pyvo\n\ntap = pyvo.dal.TAPService({json.dumps(self.tap_url)})\n"
        else:
            text = (
                "import netrc\nfrom pathlib import Path\n\nimport pyvo\nimport requests\n\n"
                f'kept = netrc.netrc(Path("{NETRC}").expanduser())\n'
                f"user, _, token = kept.authenticators({json.dumps(self.host)})\n"
                "session = requests.Session()\nsession.auth = (user, token)\n"
                f"tap = pyvo.dal.TAPService({json.dumps(self.tap_url)}, session=session)\n"
            )
        return Lines("pyvo", "Python, with pyvo", "python", f"{text}rows = tap.run_sync({_python(adql)}).to_table()\nprint(rows)")

    def curl(self, adql: str, signed: bool) -> Lines:
        """Return a query by curl."""
        kept = f"--netrc-file {NETRC} " if signed else ""
        query = shlex.quote(f"QUERY={adql}")
        text = f"curl {kept}{self.tap_url}/sync \\\n  -d LANG=ADQL -d RESPONSEFORMAT=csv \\\n  --data-urlencode {query}"
        return Lines("curl", "curl", "sh", text)

    def stilts(self, adql: str, signed: bool) -> Lines:
        """Return a query by STILTS, which has the same engine as TOPCAT."""
        task = f"tapquery sync=true tapurl={self.tap_url}"
        rest = f"adql={shlex.quote(adql)} ofmt=csv out=-"
        if not signed:
            return Lines("stilts", "STILTS", "sh", f"stilts {task} \\\n  {rest}")
        user, token = (f"\"$(sed 's/{part}/\\1/' {NETRC})\"" for part in (".*login \\([^ ]*\\).*", ".*password \\([^ ]*\\).*"))
        properties = f"-Dauth.username={user} \\\n  -Dauth.password={token}"
        return Lines("stilts", "STILTS", "sh", f"stilts {properties} \\\n  {task} auth=true \\\n  {rest}")

    def notebook(self, adql: str) -> Lines:
        """Return a query in a notebook of the platform, where nothing needs a token."""
        return Lines("notebook", "In a notebook of the platform", "python", f"import bowerbird\n\nbowerbird.query({_python(adql)})")


def _python(text: str) -> str:
    """Return a text as Python writes it, in double quotes."""
    return json.dumps(text, ensure_ascii=False)
