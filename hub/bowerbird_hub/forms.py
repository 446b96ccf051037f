"""HTML that is made without JupyterHub, above all the form of profiles: what an identity may choose."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from bowerbird_config.model import format_size
from bowerbird_hub.profiles import Choice
from bowerbird_hub.runtimes.preconditions import NotReady
from jinja2 import Environment, FileSystemLoader

PAGES = Path(__file__).with_name("pages")

_environment = Environment(loader=FileSystemLoader(PAGES), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def profile_form(offered: tuple[Choice, ...], last: object, lacks: Iterable[str], refusals: Mapping[str, NotReady]) -> str:
    """Return the rows of the form, with the last choice chosen where it is still on offer; `refusals` says why a profile cannot start."""
    names = [choice.name for choice in offered if choice.name not in refusals]
    chosen = last if last in names else next(iter(names), None)
    return render("profiles.html", offered=offered, chosen=chosen, lacks=tuple(lacks), refusals=refusals, size=format_size)


def render(name: str, **told: object) -> str:
    """Return one of our pages, or a part of one, outside of the hub's own."""
    return _environment.get_template(name).render(**told)
