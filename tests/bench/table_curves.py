"""Draws how the tables grow: ingest, cones, small queries, all rows out and memory, against the rows of a synthetic catalogue.

`python -m tests.bench.table_curves FILE.svg [ROWS ...]`, from the checkout, in the test environment. What was measured is kept beside the
picture as JSON, so that the sizes may be measured one by one. Figures are the medians of a few rounds.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bowerbird_config.tables import ReleaseTable
from bowerbird_services.ingest.table import ingest
from bowerbird_services.store import shelf

from tests.bench.curves import Curves, Panel, drawn
from tests.bench.table_service import TABLE, TOKEN, Service, folder, serving

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
_PART = 1_000_000
_ROUNDS = 5
_ASKED = 20
_PLACE = ("sky", "dr1")
_SIGNED = {"Authorization": f"Bearer {TOKEN}"}
_COLOURS = {
    "ingest from Parquet": "#d97706",
    "all rows out (BINARY2)": "#2f81f7",
    "cone of 0.1°": "#2da44e",
    "one row by a condition": "#a371f7",
    "all rows out, memory": "#8a8a8a",
}


def write_catalogue(path: Path, rows: int) -> None:
    """Write a synthetic catalogue: identifiers, positions all over the sky in no order, a magnitude and a name."""
    dice = np.random.default_rng(5)
    with pq.ParquetWriter(path, _part(dice, 0, 1).schema) as writer:
        for first in range(0, rows, _PART):
            writer.write_table(_part(dice, first, min(_PART, rows - first)))


def _part(dice: np.random.Generator, first: int, rows: int) -> pa.Table:
    return pa.table(
        {
            "id": np.arange(first, first + rows) + (1 << 60),
            "ra": dice.uniform(0, 360, rows),
            "dec": np.degrees(np.arcsin(dice.uniform(-1, 1, rows))),
            "mag": dice.normal(18, 2, rows).astype(np.float32),
            "name": pa.array(np.char.add("synthetic ", np.arange(first, first + rows).astype(str))),
        }
    )


def ingested(place: Path, rows: int) -> float:
    """Make the table of a catalogue in `tables` of a directory, and return how many seconds the ingest took."""
    (place / "release").mkdir()
    write_catalogue(place / "release" / "stars.parquet", rows)
    asked = ReleaseTable.model_validate({"file": "stars.parquet", "title": "Synthetic", "position": {"ra": "ra", "dec": "dec"}})
    target = place.joinpath("tables", *_PLACE)
    target.mkdir(parents=True)
    began = time.perf_counter()
    ingest(place / "release", _PLACE, "stars", asked, target)
    took = time.perf_counter() - began
    shelf.write_index(place / "tables", [_PLACE])
    return took


def all_out(served: Service, rows: int, form: str = "votable") -> int:
    """Read all rows as they come, and return how many bytes came; RuntimeError where the answer is cut short."""
    asked = {"LANG": "ADQL", "QUERY": f"SELECT * FROM {TABLE}", "MAXREC": str(rows), "RESPONSEFORMAT": form}  # noqa: S608  our own
    size, end = 0, b""
    with httpx.stream("POST", f"{served.tap}/sync", data=asked, headers=_SIGNED, timeout=600, trust_env=False) as answer:
        for chunk in answer.iter_raw(1 << 20):
            size, end = size + len(chunk), (end + chunk)[-2000:]
    if form == "votable" and (b"</VOTABLE>" not in end or b"OVERFLOW" in end):
        raise RuntimeError(f"the answer is not whole: {end[-500:]!r}")
    return size


def measure(rows: int) -> dict[str, float]:
    """Measure one size: rates in thousand rows/s, times in ms, memory in MiB."""
    dice = np.random.default_rng(6)
    with folder() as place:
        took = ingested(place, rows)
        with serving(place) as served, httpx.Client(headers=_SIGNED, timeout=600, trust_env=False) as client:

            def ask(query: str) -> float:
                began = time.perf_counter()
                client.get(f"{served.tap}/sync", params={"LANG": "ADQL", "QUERY": query}).raise_for_status()
                return 1000 * (time.perf_counter() - began)

            def cone() -> float:
                circle = f"CIRCLE({dice.uniform(0, 360)!r}, {dice.uniform(-80, 80)!r}, 0.1)"
                return ask(f"SELECT * FROM {TABLE} WHERE 1 = CONTAINS(POINT(ra, dec), {circle})")  # noqa: S608

            def one() -> float:
                return ask(f"SELECT * FROM {TABLE} WHERE id = {(1 << 60) + int(dice.integers(rows))}")  # noqa: S608

            found = {"cone of 0.1°": _median(cone, _ASKED), "one row by a condition": _median(one, _ASKED)}

            def out() -> float:
                began = time.perf_counter()
                all_out(served, rows)
                return rows / 1000 / (time.perf_counter() - began)

            found["all rows out (BINARY2)"] = _median(out, _ROUNDS)
            return {**found, "ingest from Parquet": rows / 1000 / took, "all rows out, memory": served.most_mib}


def _median(work: Callable[[], float], times: int) -> float:
    work()  # the first time opens files
    return statistics.median(work() for _ in range(times))


def panels(known: dict[int, dict[str, float]]) -> list[Panel]:
    """Return what is drawn of what was measured."""
    sizes = sorted(known)

    def curves(*names: str) -> Curves:
        return {name: [known[size][name] for size in sizes] for name in names}

    return [
        Panel("thousand rows a second", "rows of the table", sizes, curves("ingest from Parquet", "all rows out (BINARY2)")),
        Panel("ms for a small query over HTTP", "rows of the table", sizes, curves("cone of 0.1°", "one row by a condition")),
        Panel("MiB, the most anonymous memory", "rows of the table", sizes, curves("all rows out, memory")),
    ]


def main(path: Path, sizes: list[int]) -> None:
    """Measure and draw."""
    kept = path.with_suffix(".json")
    known = {int(size): figures for size, figures in json.loads(kept.read_text()).items()} if kept.exists() else {}
    for size in sizes:
        known[size] = measure(size)
        kept.write_text(json.dumps(known))
        print(size, {name: round(value, 2) for name, value in known[size].items()}, flush=True)
    if len(known) > 1:
        path.write_text(drawn(panels(known), _COLOURS), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(size) for size in sys.argv[2:]] or list(SIZES))
