"""Images in a running DaCHS: its own SIA2, DataLink and SODA over them."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.dachs import DaCHS
from tests.support.postgres import USER

_DESCRIPTOR = r"""<resource schema="img" resdir=".">
  <meta name="creationDate">2026-01-01T00:00:00Z</meta>
  <meta name="title">Images to compare with</meta>
  <meta name="description">The same files as beside.</meta>
  <meta name="subject">surveys</meta>
  <meta name="creator">Nobody</meta>
  <meta name="instrument">None</meta>
  <meta name="facility">None</meta>
  <table id="main" onDisk="True" mixin="//siap#pgs" adql="True">
    <mixin calibLevel="3" collectionName="'PEER'" targetName="object" expTime="exptime" targetClass="'galaxy'" did="pub_did"
      accessURL="dlurl" mime="'application/x-votable+xml;content=datalink'" size="10">//obscore#publishSIAP</mixin>
    <column name="object" type="text" ucd="meta.id;src" description="target" verbLevel="10"/>
    <column name="exptime" type="real" unit="s" ucd="time.duration;obs.exposure" description="exposure time" verbLevel="10"/>
    <column name="pub_did" type="text" ucd="meta.ref.ivoid" description="publisher DID" verbLevel="15"/>
    <column name="dlurl" type="text" ucd="meta.ref.url" description="datalink URL" verbLevel="15"/>
  </table>
  <data id="import">
    <sources pattern="data/*.fits"/>
    <fitsProdGrammar qnd="True"><rowfilter procDef="//products#define"><bind key="table">"\schema.main"</bind></rowfilter></fitsProdGrammar>
    <make table="main"><rowmaker>
      <apply procDef="//siap#setMeta"><bind key="dateObs">"2024-01-01"</bind><bind key="bandpassId">"r"</bind>
        <bind key="pixflags">"F"</bind><bind key="title">"an image"</bind></apply>
      <apply procDef="//siap#computePGS"/>
      <map key="object">"field"</map><map key="exptime">100</map>
      <map key="pub_did">\standardPubDID</map>
      <map key="dlurl">\dlMetaURI{dl}</map>
    </rowmaker></make>
  </data>
  <service id="dl" allowed="dlget,dlmeta">
    <meta name="title">Links and cutouts</meta>
    <datalinkCore>
      <descriptorGenerator procDef="//soda#fits_genDesc" name="genFITSDesc"><bind key="accrefPrefix">'img/data'</bind></descriptorGenerator>
      <FEED source="//soda#fits_standardDLFuncs"/>
    </datalinkCore>
  </service>
</resource>
"""


def publish(peer: DaCHS, files: Sequence[Path]) -> str:
    """Take images into a DaCHS that runs, and return the address of its SIA2."""
    root = Path(dict(part.split("=", 1) for part in peer.dsn.split())["host"])
    folder = root / "gavo/inputs/img"
    (folder / "data").mkdir(parents=True)
    (folder / "q.rd").write_text(_DESCRIPTOR, encoding="utf-8")
    for file in files:
        shutil.copy(file, folder / "data")
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, USER, USER)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(root), "LC_ALL": "C.UTF-8", "GAVOSETTINGS": str(root / "gavo.rc")}
    for argv in (["dachs", "imp", "//obscore"], ["dachs", "imp", "q"]):
        ended = subprocess.run(
            argv,
            cwd=folder,
            env=environment,
            user=USER,
            group=USER,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        if ended.returncode:
            raise RuntimeError(f"{' '.join(argv)} failed: {(ended.stdout + ended.stderr)[-2000:]}")
    return f"{peer.address}/__system__/siap2/sitewide/siap2.xml"
