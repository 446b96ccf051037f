"""A peer: DaCHS over a PostgreSQL of its own, both of Debian, on free ports in a directory of their own; nothing is left of them."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.csv

from scripts import debian
from scripts.running import Log
from tests.support.cas import free_port
from tests.support.postgres import USER, Place, await_start, database, give, programs

_PACKAGES = ("python3-gavo", "postgresql-15-q3c", "postgresql-15-pgsphere")
# Both sides with the settings of a machine that is theirs: a quarter of a small machine's memory, and no waits for its disk.
_OF_A_SMALL_MACHINE = ("shared_buffers=512MB", "work_mem=64MB", "max_wal_size=2GB")
_SETTINGS = """[general]
rootDir: {root}
tempDir: {root}/scratch
gavoGroup: {user}
group: {user}
[web]
bindAddress: 127.0.0.1
serverPort: {port}
serverURL: http://127.0.0.1:{port}
adminpasswd: none
[async]
defaultMAXREC: 20000000
hardMAXREC: 20000000
[ivoa]
authority: x-bench
dalDefaultLimit: 20000000
dalHardLimit: 20000000
"""
_DESCRIPTOR = """<resource schema="sky" resdir=".">
  <meta name="creationDate">2026-01-01T00:00:00Z</meta>
  <meta name="title">Stars to compare with</meta>
  <meta name="description">The same rows as in the tables beside.</meta>
  <meta name="subject">surveys</meta>
  <meta name="creator">Nobody</meta>
  <table id="stars" onDisk="True" adql="True" mixin="//scs#q3cindex">
    <primary>id</primary>
    <column name="id" type="bigint" ucd="meta.id;meta.main" description="Identifier" required="True"/>
    <column name="ra" type="double precision" unit="deg" ucd="pos.eq.ra;meta.main" description="Right ascension"/>
    <column name="dec" type="double precision" unit="deg" ucd="pos.eq.dec;meta.main" description="Declination"/>
    <column name="mag" type="real" unit="mag" ucd="phot.mag" description="Magnitude"/>
  </table>
  <data id="import">
    <sources pattern="*.csv"/>
    <csvGrammar/>
    <make table="stars"><rowmaker idmaps="*"/></make>
  </data>
  <service id="cone" allowed="scs.xml">
    <meta name="shortName">stars</meta>
    <meta name="testQuery"><meta name="ra">160</meta><meta name="dec">0</meta><meta name="sr">0.1</meta></meta>
    <scsCore queriedTable="stars"><FEED source="//scs#coreDescs"/></scsCore>
  </service>
</resource>
"""


class PeerMissing(Exception):
    """This machine cannot run the peer; the text says what it lacks."""


@dataclass(frozen=True, slots=True)
class DaCHS:
    """A running DaCHS, and the database under it."""

    address: str
    dsn: str

    @property
    def tap(self) -> str:
        """Its TAP service."""
        return f"{self.address}/tap"

    @property
    def cone(self) -> str:
        """Its cone search of `sky.stars`."""
        return f"{self.address}/sky/q/cone/scs.xml"

    def sql(self, *commands: str) -> str:
        """Return what PostgreSQL prints for commands of one session."""
        told = [part for command in commands for part in ("-c", command)]
        argv = ["psql", "-q", "-A", "-t", "-U", USER, *told, self.dsn]
        return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=600).stdout

    def script(self, text: str) -> None:
        """Run what is too long for a command's argument."""
        argv = ["psql", "-q", "-U", USER, "-v", "ON_ERROR_STOP=1", self.dsn]
        subprocess.run(argv, input=text, text=True, check=True, timeout=600)


def install() -> None:
    """Install what is missing of the peer with the machine's own apt, where we may."""
    absent = debian.missing(_PACKAGES)
    if absent and debian.may_install():
        debian.install(absent, Log(Path(__file__).parents[2] / ".bowerbird/peers.log"))


def lacking() -> str:
    """Return why the peer cannot run here, or nothing."""
    if os.geteuid() != 0:
        return "it must be started by root, who becomes postgres"
    if shutil.which("dachs") is None or not _with_q3c():
        return "it needs python3-gavo, postgresql-15-q3c and postgresql-15-pgsphere of Debian 12"
    return ""


def _with_q3c() -> bool:
    found = programs()
    return found is not None and Path("/usr/share/postgresql", found.parent.name, "extension/q3c.control").exists()


@contextmanager
def dachs(rows: pa.Table) -> Iterator[DaCHS]:
    """Serve rows of id, ra, dec and mag as `sky.stars`; RuntimeError where it does not start."""
    install()
    why = lacking()
    if why:
        raise PeerMissing(f"no DaCHS here: {why}")
    # Not under our own temporary directory, which only we may enter.
    with tempfile.TemporaryDirectory(prefix="bowerbird-dachs-", dir="/var/tmp") as folder:
        place, port = Place(Path(folder), {"GAVOSETTINGS": f"{folder}/gavo.rc"}), free_port()
        give(place.root)
        with database(place, "gavo", _OF_A_SMALL_MACHINE) as (_, dsn):
            _describe(place, port, dsn, rows)
            # It takes a row in 0.1 ms; its table is filled by PostgreSQL itself.
            place.run("dachs", "imp", "q", inside="gavo/inputs/sky")
            others = place.root / "gavo/inputs/sky/others.txt"
            place.run("psql", "-q", "-c", f"\\copy sky.stars (id, ra, dec, mag) FROM '{others}' (FORMAT csv, HEADER)", dsn)
            place.run("psql", "-q", "-c", "CLUSTER sky.stars", "-c", "ANALYZE sky.stars", dsn)
            with place.program(["dachs", "serve", "debug"], signal.SIGTERM) as child:
                served = DaCHS(f"http://127.0.0.1:{port}", dsn)
                _await_answer(f"{served.tap}/availability", child)
                yield served


def _describe(place: Place, port: int, dsn: str, rows: pa.Table) -> None:
    root = place.root / "gavo"
    root.mkdir()
    give(root)
    place.write("gavo.rc", _SETTINGS.format(root=root, port=port, user=USER))
    place.run("dachs", "init", "--dsn", dsn)
    place.write("gavo/inputs/sky/q.rd", _DESCRIPTOR)
    for name, part in (("stars.csv", rows[:1]), ("others.txt", rows[1:])):
        pyarrow.csv.write_csv(part.select(["id", "ra", "dec", "mag"]), root / "inputs/sky" / name)
    give(root / "inputs/sky")


def _await_answer(address: str, child: "subprocess.Popen[bytes]") -> None:
    def answers() -> bool:
        try:
            return httpx.get(address, timeout=5, trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    await_start(answers, child, "DaCHS")
