"""The program of a single-user server: JupyterHub's own, started in two thirds of the time.

It runs in the environment of a profile, where nothing else of ours is.
"""

import sys


def leave_out() -> None:
    """Keep out of this process the grammar of IRIs, whose making takes a third of a start.

    It would check addresses in the schemas of events; jsonschema does without where it is not installed.
    """
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # Python's own way to say that there is no such module


def main() -> None:
    """Serve until a signal ends it."""
    leave_out()
    from jupyterhub.singleuser import main as serve  # noqa: PLC0415  only now is it quick

    serve()


if __name__ == "__main__":
    main()
