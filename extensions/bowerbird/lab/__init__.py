"""What a single-user server adds for Bowerbird: the tutorials, a page of help, and a word when the data are not there."""

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Tell Jupyter which module to load."""
    return [{"module": "bowerbird.lab"}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Give this home its tutorials and add our pages to a server that starts."""
    from bowerbird.lab.extension import load  # noqa: PLC0415  # kernels that look into this package need no server

    load(server)


def load_ipython_extension(shell: Any) -> None:
    """Give a notebook `%%adql`; kernels of the lab's environment do it at their start, others by `%load_ext bowerbird.lab`.

    What the magic needs is imported when a cell first uses it: every kernel starts with this.
    """
    from bowerbird.lab.adql_shell import register  # noqa: PLC0415  # a server needs no magic

    register(shell)
