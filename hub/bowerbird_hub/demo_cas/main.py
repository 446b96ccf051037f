"""The program of the demo CAS server: `python main.py --port N --dir DIR --accounts FILE`."""

import sys
from pathlib import Path

# Started by its path, in an environment that knows nothing of the platform's packages.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from bowerbird_hub.demo_cas.server import main  # noqa: E402 - the line above says where it is

if __name__ == "__main__":
    sys.exit(main())
