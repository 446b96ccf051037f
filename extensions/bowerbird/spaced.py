"""Numbers as people read them: their thousands are set apart by thin spaces. Pure."""

_THIN = "\u2009"


def spaced(number: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{number:,}".replace(",", _THIN)


def counted(number: int, one: str) -> str:
    """Return how many there are of something, which `one` is called."""
    return f"{spaced(number)} {one}{'' if number == 1 else 's'}"
