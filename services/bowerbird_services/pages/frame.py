"""What every page of the service stands in: the bar of the hub's pages, and headers that let nothing in from elsewhere."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from bowerbird_services.pages import sky
from bowerbird_services.pages.markup import Content, Html, Part, joined, tag
from starlette.responses import HTMLResponse

_OWN = """
.coverage { margin: 0 0 calc(2 * var(--space)); }
.coverage > svg { display: block; width: 100%; max-width: 720px; }
.coverage .sky { fill: var(--raised); stroke: var(--line); stroke-width: 0.5; }
.coverage .grid { fill: none; stroke: var(--line); stroke-width: 0.3; }
.coverage text { fill: var(--ink); stroke: var(--paper); stroke-width: 1.5; paint-order: stroke; font: 7px var(--text); }
.coverage figcaption { color: var(--quiet); font-size: 0.9rem; }
.swatch { width: 16px; height: 12px; margin-right: 2px; }
@media (max-width: 560px) { .coverage text { font-size: 12px; } .stack code { overflow-wrap: anywhere; } }
"""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page: the name, None for nobody's; `ended` where a sign-in was shown that does not hold any more."""

    name: str | None = None
    ended: bool = False


class Frame:
    """Puts a page together. `look` is the platform's one stylesheet, `prefix` the path of the pages' address."""

    def __init__(self, look: str, prefix: str) -> None:
        self._style = Html(f"{look}{_OWN}{sky.STYLE}")
        self.prefix = prefix
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        # The one style is known by its hash. Nothing runs, and a sandbox keeps the page apart from the hub, which has the same host.
        self.policy = (
            f"sandbox allow-top-navigation-by-user-activation; default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
            "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        )

    def link(self, path: str, words: Content) -> Html:
        """Return a link to a page of ours."""
        return tag("a", words, href=f"{self.prefix}/{path}")

    def page(
        self,
        platform: str,
        visitor: Visitor,
        title: str,
        *content: Part,
        here: str = "",
        status: int = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """Return a page; `here` is its path, to which a sign-in comes back."""
        head = tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", f"{title} – {platform}"),
            tag("link", rel="icon", href="data:,"),
            tag("style", self._style),
        )
        ended = tag("p", "Your sign-in has ended, so this page shows what everybody sees.", class_="notice") if visitor.ended else None
        body = tag(
            "body",
            tag("a", "To the content", class_="skip", href="#content"),
            self._bar(platform, visitor, here),
            tag("main", ended, *content, id="content"),
        )
        document = joined(Html("<!DOCTYPE html>\n"), tag("html", head, body, lang="en-GB"))
        return HTMLResponse(document, status, {"Content-Security-Policy": self.policy, "Vary": "Cookie", **(headers or {})})

    def _bar(self, platform: str, visitor: Visitor, here: str) -> Html:
        places = {"Servers": "/hub/home", "Connect": "/hub/connect", "Tokens": "/hub/token", "Data": f"{self.prefix}/"}
        links = [tag("a", name, href=address, aria_current="true" if name == "Data" else None) for name, address in places.items()]
        if visitor.name is None:
            who: list[Part] = [tag("a", "Sign in", id="login", href=f"{self.prefix}/sign-in?next={quote(here, safe='')}")]
        else:
            who = [f"{visitor.name} · ", tag("a", "Sign out", id="logout", href="/hub/logout")]
        return tag(
            "header",
            tag("strong", tag("a", platform, href=f"{self.prefix}/")),
            tag("nav", *links, aria_label="Platform"),
            tag("span", *who, class_="who"),
            class_="bar",
        )
