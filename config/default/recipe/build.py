"""Build the demo releases: `python build.py --releases DIR --downloads DIR`; or date the platform file."""

import sys

from demo_releases.command import main

sys.exit(main())
