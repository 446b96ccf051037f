"""What a release in a pod costs to read, beside the same bytes in an emptyDir on the same disk, by the same program in such a pod."""

import json
from typing import Any

from bowerbird_config.identity import IdentityRecord

from tests.bench.row import Row, paired
from tests.support.cluster.release import Release
from tests.support.cluster.standing_door import VOLUME, standing_door, user_pod

# A public release of one file.
COLLECTION = {"sky": {"title": "Sky", "releases": {"dr1": {"title": "First", "public": True}}}}
_ON_NODE, _IN_POD, _IN_EMPTY = (
    "/srv/bowerbird/releases/sky/dr1/field.bin",
    f"{VOLUME}/data/releases/sky/dr1/field.bin",
    f"{VOLUME}/field.bin",
)
_ANN, _OURS, _PEER = IdentityRecord(1, "ann", 611001, 611001), "ann-reads", "ann-reads-empty"
_FILE_MIB = 256
# As beside the disk of one machine (P1): what one read takes in, and how many times the disk's time it may need.
_READS = {"sequential": (1 << 20, 1.15), "random 64 KiB": (64 << 10, 1.15), "random 4 KiB": (4 << 10, 1.3)}
_MAKE = """
import os, random, sys
path, mib = sys.argv[1], int(sys.argv[2])
os.makedirs(os.path.dirname(path), exist_ok=True)
with open(path, "wb") as file:
    for number in range(mib):
        file.write(random.Random(number).randbytes(1 << 20))
    os.fsync(file.fileno())
"""
# Tells the microseconds of a read of each kind, and a sum of the whole file.
_READ = """
import json, os, random, sys, time, zlib
path, told, buffer, whole = sys.argv[1], {}, bytearray(1 << 20), 0
file = os.open(path, os.O_RDONLY)
while got := os.readv(file, [buffer]):
    whole = zlib.crc32(memoryview(buffer)[:got], whole)
for what, size in json.loads(sys.argv[2]).items():
    blocks = list(range(os.path.getsize(path) // size))
    if what != "sequential":
        random.Random(1).shuffle(blocks)
    blocks, into = blocks[:10000], [bytearray(size)]
    began = time.perf_counter()
    if sum(os.preadv(file, into, block * size) for block in blocks) != size * len(blocks):
        sys.exit("a read was short")
    told[what] = (time.perf_counter() - began) * 1e6 / len(blocks)
print(json.dumps({"told": told, "sum": whole}))
"""


def rows(release: Release, rounds: int) -> list[Row]:
    """Measure both, by turns; a release of the values' `COLLECTION` has to be there."""
    release.cluster.inside("node1", "python3", "-c", _MAKE, _ON_NODE, f"{_FILE_MIB}")
    with standing_door(release, {_OURS: _ANN}):
        release.cluster.apply(user_pod(release, _OURS, _ANN.uid), user_pod(release, _PEER, _ANN.uid, volume={"emptyDir": {}}))
        try:
            release.cluster.await_ready(release.users, _OURS, _PEER)
            release.cluster.python(release.users, _PEER, _MAKE, _IN_EMPTY, f"{_FILE_MIB}")
            return _measured(release, rounds)
        finally:
            release.cluster.kubectl("delete", "pod", "-n", release.users, _OURS, _PEER, "--grace-period=1")


def _measured(release: Release, rounds: int) -> list[Row]:
    ours, peer = paired(rounds, lambda: _read(release, _OURS, _IN_POD), lambda: _read(release, _PEER, _IN_EMPTY))
    if len({each["sum"] for each in (*ours, *peer)}) != 1:
        raise RuntimeError("both have not read the same bytes")
    return [
        Row.against(
            "P1-pod",
            f"release in a pod: {what}",
            [each["told"][what] for each in ours],
            [each["told"][what] for each in peer],
            peer_name="emptyDir",
            unit="us",
            goal=goal,
            better="lower",
        )
        for what, (_, goal) in _READS.items()
    ]


def _read(release: Release, pod: str, path: str) -> dict[str, Any]:
    sizes = json.dumps({what: size for what, (size, _) in _READS.items()})
    told: dict[str, Any] = json.loads(release.cluster.python(release.users, pod, _READ, path, sizes))
    return told
