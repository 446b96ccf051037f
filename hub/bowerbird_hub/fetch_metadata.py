"""Fetch Metadata Request Headers (W3C): what a browser says of where a request comes from."""

from collections.abc import Mapping

SITE, MODE = "Sec-Fetch-Site", "Sec-Fetch-Mode"
# Typed, from a bookmark, or from a page of this very origin; no header at all comes from what is no browser.
_OWN = {"none", "same-origin"}


def from_another_site(headers: Mapping[str, str]) -> bool:
    """Tell whether a page of another site made the browser ask."""
    return headers.get(SITE, "none") not in _OWN


def behind_the_page(headers: Mapping[str, str]) -> bool:
    """Tell whether nobody sees the answer: an image or a script asks, not a person who follows a link."""
    return headers.get(MODE, "navigate") != "navigate"
