"""The pages that a single-user server adds below its own address: where the lab opens, help, and whether the data are there."""

import html
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from bowerbird.lab import shipped
from bowerbird.lab.tutorials import FIRST, Home
from bowerbird.manifest import data_root, manifest

_LAB = "/lab"
_USAGE = "user.bowerbird.usage"
_PAGE = Path(__file__).with_name("page.html")


class FirstPageHandler(JupyterHandler):
    """Where the lab opens."""

    def initialize(self, default_url: str, home: Home, root: Path) -> None:
        """Take what `first_page` needs."""
        self._arguments = (default_url, home, root)

    @web.authenticated
    def get(self) -> None:
        """Go on to the first page; what the address asked for besides goes along."""
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(url_path_join(self.base_url, first_page(*self._arguments)) + query)


class ResearchersHandler(JupyterHandler):
    """The page for researchers."""

    @web.authenticated
    def get(self) -> None:
        """Answer with the page, made of the Markdown that came with the package."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page(shipped.researchers_page().read_text(encoding="utf-8")))


class StatusHandler(APIHandler):
    """Whether the view of the data is there, what the hub has to tell, and which spaces have little room left."""

    # A page that asks by itself is nobody at work.
    _track_activity = False

    @web.authenticated
    def get(self) -> None:
        """Answer with the sentence to show, empty when all is well, and with the last of the news."""
        self.set_header("Cache-Control", "no-store")
        self.finish({"sentence": missing_data(), "news": news(), "spaces": full_spaces()})


def handlers(base_url: str, default_url: str, home: Home, root: Path) -> list[tuple[str, Any] | tuple[str, Any, dict[str, Any]]]:
    """Return the routes; `root` is the folder that the file browser shows as its top."""
    # By now the server has put its own address before its first page, or has not, depending on who started it.
    default_url = f"/{default_url.removeprefix(base_url).lstrip('/')}"
    return [
        (f"{base_url.rstrip('/')}/?", FirstPageHandler, {"default_url": default_url, "home": home, "root": root}),
        (url_path_join(base_url, "bowerbird", "researchers"), ResearchersHandler),
        (url_path_join(base_url, "bowerbird", "status"), StatusHandler),
    ]


def first_page(default_url: str, home: Home, root: Path) -> str:
    """Return where a lab opens: on the tutorial until its reader has changed it; another interface opens as it does."""
    tutorial = home.folder / FIRST
    if default_url.rstrip("/") != _LAB or not tutorial.is_relative_to(root) or not home.unchanged(FIRST):
        return default_url
    return f"{_LAB}/tree/{quote(str(tutorial.relative_to(root)))}"


def missing_data() -> str:
    """Return what to tell somebody whose data are not there; nothing where they are."""
    try:
        manifest()
    except (OSError, ValueError):
        # The lab's notes end after 140 characters.
        where = f"Your data are not here: {data_root()} does not answer. Your home is safe."
        return f"{where} Start your server anew; if this stays, tell the admins."
    return ""


def full_spaces() -> dict[str, str]:
    """Return what the view tells of spaces that are nearly full, by their names."""
    try:
        known = manifest()
    except (OSError, ValueError):
        return {}
    told = {}
    for place in (known.root / "home", *(known.root / "teams" / team["name"] for team in known.teams)):
        with suppress(OSError, ValueError, KeyError, AttributeError):
            figures = json.loads(os.getxattr(place, _USAGE))
            if figures["words"]:
                told[f"{figures['space']} {figures['level']}"] = str(figures["words"])
    return told


def news() -> dict[str, str]:
    """Return when the hub told this server something, and what; nothing where it has not."""
    try:
        told = json.loads(Path(os.environ["BOWERBIRD_NEWS"]).read_text(encoding="utf-8"))
        return {"at": str(told["at"]), "words": str(told["words"])}
    except (KeyError, TypeError, OSError, ValueError):
        return {}


def page(markdown: str) -> str:
    """Return the HTML page of a Markdown text."""
    from nbconvert.filters.markdown import markdown2html  # noqa: PLC0415  # slow, and rarely wanted

    title = markdown.lstrip("# ").partition("\n")[0]
    template = _PAGE.read_text(encoding="utf-8")
    return template.replace("{{title}}", html.escape(title)).replace("{{content}}", str(markdown2html(markdown)))
