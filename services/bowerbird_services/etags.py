"""Which state of a resource a client has already: the one rule of If-None-Match for all services."""

from starlette.requests import Request


def is_known(request: Request, tag: str) -> bool:
    """Tell whether 304 answers a request: a client that reads has what would be sent (RFC 9110, section 13.1.2)."""
    if request.method not in {"GET", "HEAD"}:
        return False
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return tag in known or known == ["*"]
