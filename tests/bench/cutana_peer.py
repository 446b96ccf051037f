"""A thousand cutouts by cutana's batch, in an environment of its own below .bowerbird, made when it is first wanted."""

import json
import subprocess
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_HOME = _ROOT / ".bowerbird/peers/cutana"
_VERSION = "cutana==0.4.0"
_DEADLINE_SECONDS = 900
# Its batch as its documentation shows it, two workers, plain FITS files; what it prints last is what the run took.
_RUN = """
import json, sys, time
import pandas
from cutana import Orchestrator, get_default_config

asked = json.load(open(sys.argv[1]))
sources = {"SourceID": [f"s{n}" for n in range(len(asked["ra"]))], "RA": asked["ra"], "Dec": asked["dec"]}
more = {"diameter_pixel": asked["pixels"], "fits_file_paths": str([asked["image"]])}
pandas.DataFrame({**sources, **more}).to_csv(asked["catalogue"], index=False)
config = get_default_config()
config.source_catalogue, config.output_dir, config.output_format = asked["catalogue"], asked["folder"], "fits"
config.do_only_cutout_extraction, config.apply_flux_conversion, config.max_workers = True, False, 2
config.num_sources, config.skip_catalogue_validation, config.console_log_level = len(asked["ra"]), True, "ERROR"
config.selected_extensions = [{"name": "PRIMARY", "ext": "PRIMARY"}]
config.loadbalancer.skip_memory_calibration_wait = True
if __name__ == "__main__":
    start = time.perf_counter()
    Orchestrator(config).run()
    print(json.dumps(time.perf_counter() - start))
"""


def install() -> None:
    """Make its environment, unless it is there."""
    if (_HOME / "installed").exists():
        return
    uv = str(_ROOT / ".bowerbird/tools/uv")
    subprocess.run([uv, "venv", "--quiet", "--clear", _HOME], check=True, timeout=_DEADLINE_SECONDS)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", _HOME / "bin/python", _VERSION], check=True, timeout=_DEADLINE_SECONDS)
    (_HOME / "run.py").write_text(_RUN)
    (_HOME / "installed").touch()


def seconds(image: Path, at: Any, pixels: int, folder: Path) -> float:
    """Return what its batch took for all positions, into an empty folder, without its start and imports; AssertionError if files lack."""
    asked = {"ra": at.ra.deg.tolist(), "dec": at.dec.deg.tolist(), "pixels": pixels, "image": str(image)}
    asked |= {"catalogue": str(folder.parent / "sources.csv"), "folder": str(folder)}
    question = folder.parent / "question.json"
    question.write_text(json.dumps(asked))
    command: list[str | Path] = [_HOME / "bin/python", "-W", "ignore", _HOME / "run.py", question]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_DEADLINE_SECONDS, cwd=folder.parent)
    made = sum(1 for file in folder.rglob("*.fits"))
    if made < len(at):
        raise AssertionError(f"cutana made {made} of {len(at)} files: {told.stderr[-500:]}")
    return float(told.stdout.splitlines()[-1])
