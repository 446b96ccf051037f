"""`python -m bowerbird_config`: the `bowerbird` command."""

import signal

# Until a command takes the signal itself, Ctrl-C ends this process by it, with no traceback from within an import.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from bowerbird_config.cli import main  # noqa: E402  after the line above

signal.signal(signal.SIGINT, signal.default_int_handler)
main()
