"""`python3 -m scripts hub|up|test|aat`: installs what is missing for a command."""

import signal
import sys

# Until the set-up takes the signal itself, Ctrl-C ends this process by it, with no traceback from within an import.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from scripts.install import main  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
