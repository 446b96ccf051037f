"""The program of the demo CAS server: `python main.py --port N --dir DIR --accounts FILE`."""

import sys
from pathlib import Path

# Started by its path, in an environment that knows nothing of the platform's packages; and the modules beside this one
# are known by their whole names only, whether Python put their directory in front (as it does without -I) or not.
_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parents[1]), *(entry for entry in sys.path if Path(entry).resolve() != _HERE)]

from bowerbird_hub.demo_cas.server import main  # noqa: E402 - the line above says where it is

if __name__ == "__main__":
    sys.exit(main())
