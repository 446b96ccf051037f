"""What a release in a pod costs to read, beside the same file on the node's disk, by the same program."""

import json

from bowerbird_config.identity import IdentityRecord

from tests.bench.row import Row
from tests.support.cluster.release import Release
from tests.support.cluster.standing_door import VOLUME, standing_door, user_pod

# A public release of one file, where the node has it and where the pod does.
COLLECTION = {"sky": {"title": "Sky", "releases": {"dr1": {"title": "First", "public": True}}}}
_ON_DISK, _IN_POD = "/srv/bowerbird/releases/sky/dr1/field.bin", f"{VOLUME}/data/releases/sky/dr1/field.bin"
_ANN, _POD = IdentityRecord(1, "ann", 611001, 611001), "ann-reads"
_FILE_BYTES = 256 << 20
# As beside the disk of one machine (P1): what one read takes in, and how many times the disk's time it may need.
_READS = {"sequential": (1 << 20, 1.15), "random 64 KiB": (64 << 10, 1.15), "random 4 KiB": (4 << 10, 1.3)}
_READ = """
import json, os, random, sys, time
path, told = sys.argv[1], {}
for what, size in json.loads(sys.argv[2]).items():
    blocks = list(range(os.path.getsize(path) // size))
    if what != "sequential":
        random.Random(1).shuffle(blocks)
    blocks, buffer = blocks[:10000], [bytearray(size)]
    for turn in ("first pass", "second pass"):
        began, file = time.perf_counter(), os.open(path, os.O_RDONLY)
        if sum(os.preadv(file, buffer, block * size) for block in blocks) != size * len(blocks):
            sys.exit("a read was short")
        os.close(file)
        told[f"{what}, {turn}"] = (time.perf_counter() - began) * 1e6 / len(blocks)
print(json.dumps(told))
"""


def rows(release: Release, rounds: int) -> list[Row]:
    """Measure both, by turns; a release of the values' `COLLECTION` has to be there."""
    release.cluster.inside("node1", "sh", "-c", f'mkdir -p "${{1%/*}}" && head -c {_FILE_BYTES} /dev/urandom > "$1"', "-", _ON_DISK)
    sizes = json.dumps({what: size for what, (size, _) in _READS.items()})
    ours: list[dict[str, float]] = []
    disk: list[dict[str, float]] = []
    with standing_door(release, {_POD: _ANN}):
        release.cluster.apply(user_pod(release, _POD, _ANN.uid, ("sleep", "infinity")))
        try:
            release.cluster.await_ready(release.users, _POD)
            for _ in range(rounds):
                disk.append(json.loads(release.cluster.inside("node1", "python3", "-c", _READ, _ON_DISK, sizes)))
                ours.append(json.loads(release.cluster.python(release.users, _POD, _READ, _IN_POD, sizes)))
        finally:
            release.cluster.kubectl("delete", "pod", "-n", release.users, _POD, "--grace-period=1")
    return [_row(what, [told[what] for told in ours], [told[what] for told in disk]) for what in disk[0]]


def _row(what: str, ours: list[float], disk: list[float]) -> Row:
    _, goal = _READS[what.partition(",")[0]]
    return Row.against("P1-pod", f"release in a pod: {what}", ours, disk, peer_name="the node's disk", unit="us", goal=goal, better="lower")
