"""The start of our part of a single-user server."""

from pathlib import Path
from typing import Any

from bowerbird.lab import shipped, sky_handlers
from bowerbird.lab.handlers import handlers
from bowerbird.lab.tutorials import Home, give


def load(server: Any) -> None:
    """Give the home its tutorials and add our pages; a full disk is logged and stops nothing."""
    home = Home(Path.home())
    try:
        given = give(home, shipped.tutorials())
    except OSError as error:
        server.log.warning("the tutorials could not be copied to %s: %s", home.folder, error)
    else:
        server.log.info("tutorials copied to %s: %s", home.folder, ", ".join(given) or "none, they are there")
    server.web_app.add_handlers(".*$", handlers(server.base_url, server.default_url, home, Path(server.root_dir)))
    server.web_app.add_handlers(".*$", sky_handlers.handlers(server.base_url))
