"""HTML as values: what is no `Html` is escaped, so that no text of others becomes markup. Pure."""

from collections.abc import Iterable
from html import escape

_EMPTY = frozenset({"meta", "link", "br", "rect"})


class Html(str):
    """A text that is markup already."""

    __slots__ = ()


Content = str | Iterable[str]
Part = Content | None


def tag(name: str, /, *content: Part, **attributes: str | None) -> Html:
    """Return an element; `class_` is its class, `data_label` its data-label, and attributes that are None are left out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value, quote=True)}"' for key, value in attributes.items() if value is not None
    )
    if name in _EMPTY:
        return Html(f"<{name}{told}>")
    return Html(f"<{name}{told}>{joined(*content)}</{name}>")


def joined(*content: Part) -> Html:
    """Return pieces one after the other."""
    return Html("".join(_piece(each) for each in content if each is not None))


def _piece(content: Content) -> str:
    if isinstance(content, Html):
        return content
    return escape(content, quote=False) if isinstance(content, str) else joined(*content)
