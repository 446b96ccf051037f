"""Where these tests lie, as the servers that they start see it."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def shown_of_tmp() -> list[str]:
    """Return what every sandbox shows in its own /tmp: the way to the environments, where the checkout lies below /tmp."""
    return [CHECKOUT.parts[2]] if CHECKOUT.parts[:2] == ("/", "tmp") else []
