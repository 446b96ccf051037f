"""Who asks for a page: a person's browser, and no program."""

from typing import Final

from bowerbird_services.accepted import accepted
from starlette.datastructures import Headers

PAGE: Final = "text/html"
# All of Java's programs, among them TOPCAT, STILTS and Aladin, name pages before these unless they are told otherwise; no browser does.
_OF_JAVA: Final = "image/gif"


def wants_page(headers: Headers) -> bool:
    """Tell whether whoever asks names pages among what they take; who takes anything names none."""
    named = accepted(headers.get("accept", ""))
    return PAGE in named and _OF_JAVA not in named
