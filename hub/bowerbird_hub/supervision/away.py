"""What the proxy says by itself, when nothing behind it answers: a page to people, a sentence to programs."""

from pathlib import Path

from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
from bowerbird_hub.state.state_files import write_text

# Named after the status, as configurable-http-proxy looks for them.
_NAME = "503.html"
# What `away.cjs` sends to whoever asks for no page.
_SENTENCE = "503.txt"


def away_directory(var: Var) -> Path:
    """Return where the proxy finds the page."""
    return var.run / "away"


def write_page(var: Var, platform: Platform, home: str) -> None:
    """Write the page, and the sentence, for a platform whose hub is at that address; anybody may read them."""
    from bowerbird_hub.forms import render  # noqa: PLC0415  # only `up` needs templates, and every command is quick without

    told = {"name": platform.name, "contact": platform.contact}
    text = render("away.html", platform=told, home=home, base_url=f"{home}hub/", parsed_scopes={})
    place = away_directory(var)
    place.mkdir(mode=0o755, exist_ok=True)
    write_text(place / _NAME, text, 0o644)
    write_text(place / _SENTENCE, f"{sentence(platform.contact)}\n", 0o644)


def sentence(contact: str) -> str:
    """Return what a program is told; the chart's files/away.txt says the same."""
    words = "this does not answer at the moment: the platform, or the service at this address, is starting or stopping"
    return f"{words}; try again in half a minute, and if it stays like this ask {contact}"
