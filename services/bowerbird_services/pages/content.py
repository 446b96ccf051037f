"""What the pages say: all collections, one collection, one table. Pure; what may be said was decided before."""

from collections.abc import Iterable, Mapping
from itertools import groupby

from bowerbird.spaced import spaced
from bowerbird_config.clients import Clients, Lines
from bowerbird_config.collections import Release
from bowerbird_config.model import format_moment
from bowerbird_services.pages.frame import Frame
from bowerbird_services.pages.markup import Html, Part, tag
from bowerbird_services.store.catalogues import SeenRelease
from bowerbird_services.store.names import delimited
from bowerbird_services.tables import Column, Table
from bowerbird_services.vo import scs


def index(frame: Frame, releases: Iterable[SeenRelease]) -> list[Part]:
    """Return what there is for whoever looks."""
    told: list[Part] = [tag("h1", "Data")]
    for name, group in groupby(releases, key=lambda release: release.collection):
        of_it = list(group)
        about = of_it[0].about_collection
        told.append(tag("h2", frame.link(f"collections/{name}", about.title)))
        told.append(tag("p", about.description) if about.description else None)
        told.append(tag("ul", *(tag("li", *_in_one_line(frame, release)) for release in of_it)))
    return told if len(told) > 1 else [*told, tag("p", "There is nothing here that is open to you.")]


def _in_one_line(frame: Frame, release: SeenRelease) -> list[Part]:
    if not release.decision.allowed:
        return [f"{release.about.title}: announced, {_closed(release.about)}."]
    tables = [frame.link(f"tables/{table.full_name}", table.title or table.full_name) for table in release.tables]
    listed: list[Part] = [tag("span", ", " if number else " – ", table) for number, table in enumerate(tables)]
    return [release.about.title, *listed]


def collection(frame: Frame, releases: list[SeenRelease], images: Mapping[str, list[Part]]) -> list[Part]:
    """Return one collection: those of its releases that may be known, with what is told of their images by their names."""
    about = releases[0].about_collection
    contact = tag("p", f"Whom to ask: {about.contact}.", class_="quiet") if about.contact else None
    described = tag("p", about.description, class_="lead") if about.description else None
    told: list[Part] = [tag("h1", about.title), described, contact]
    for release in releases:
        told += [tag("h2", release.about.title, id=release.name), *_release(frame, release, images.get(release.name, []))]
    return told


def _release(frame: Frame, release: SeenRelease, images: list[Part]) -> list[Part]:
    if not release.decision.allowed:
        return [tag("p", release.decision.sentence, class_="notice")]
    files = tag("p", "Its files are under ", tag("code", f"/data/releases/{release.collection}/{release.name}"), " of every server.")
    described = tag("p", release.about.description) if release.about.description else None
    return [described, standing(release), tables(frame, release.tables), *images, files, *cite(release, "h3")]


def standing(release: SeenRelease) -> Html:
    """Return until when it is closed, and to whom; or that it is everybody's."""
    if release.decision.rule == "release.public":
        return tag("p", "Public: open to everybody.", class_="quiet")
    return tag("p", tag("span", f"Proprietary: {_closed(release.about)}. {release.decision.sentence}"), class_="notice")


def _closed(about: Release) -> str:
    return f"closed until {format_moment(about.public_on)}" if about.public_on else "closed, with no date set for a change"


def tables(frame: Frame, found: Iterable[Table]) -> Html:
    """Return a list of tables."""
    rows = [
        tag(
            "tr",
            tag("th", frame.link(f"tables/{table.full_name}", tag("code", table.full_name)), scope="row"),
            tag("td", table.title or table.description),
            tag("td", spaced(table.rows), class_="number", data_label="Rows"),
        )
        for table in found
    ]
    return _listing(("Table", "What it has", "Rows"), rows) if rows else tag("p", "None of it can be queried.", class_="quiet")


def _listing(heads: Iterable[str], rows: Iterable[Html]) -> Html:
    named = tag("tr", *(tag("th", name, class_="number" if name == "Rows" else None) for name in heads))
    return tag("div", tag("table", tag("thead", named), tag("tbody", *rows), class_="facts stack"), class_="scroll")


def table(frame: Frame, release: SeenRelease, shown: Table, drawn: Html | None, clients: Clients, images: list[Part]) -> list[Part]:
    """Return one table; `drawn` is where its rows are, `images` what is told of those of its release."""
    title = shown.title or shown.full_name
    part_of = tag("p", tag("code", shown.full_name), " of ", frame.link(f"collections/{release.collection}", release.about.title))
    described = tag("p", shown.description) if shown.description else None
    told: list[Part] = [tag("h1", title), part_of, described, tag("p", f"{spaced(shown.rows)} rows, {len(shown.columns)} columns.")]
    told += [standing(release), *_position(shown, drawn), tag("h2", "Columns"), columns(shown.columns)]
    return [*told, *_ways(frame, shown, release, clients), *images, *cite(release, "h2")]


def _position(shown: Table, drawn: Html | None) -> list[Part]:
    position = shown.position
    if position is None:
        return [tag("p", "It has no positions on the sky.", class_="quiet")]
    epoch = f", at the epoch {position.epoch:g}" if position.epoch is not None else ""
    where = tag("p", "Positions: ", tag("code", position.ra), " and ", tag("code", position.dec), f", {position.frame}{epoch}.")
    missing = tag("p", "There is no picture yet: the platform draws it when it makes its tables the next time.", class_="quiet")
    return [tag("h2", "Where on the sky"), where, drawn or missing]


def columns(found: Iterable[Column]) -> Html:
    """Return the columns with their units, UCDs and descriptions."""
    rows = [
        tag(
            "tr",
            tag("th", tag("code", column.name), scope="row"),
            tag("td", _kind(column), data_label="Type"),
            tag("td", tag("code", column.unit) if column.unit else "–", data_label="Unit"),
            tag("td", tag("code", column.ucd) if column.ucd else "–", data_label="UCD"),
            tag("td", column.description),
        )
        for column in found
    ]
    return _listing(("Column", "Type", "Unit", "UCD", "Description"), rows)


def _kind(column: Column) -> str:
    return f"{column.datatype.value}[{column.arraysize}]" if column.arraysize not in {None, "1"} else column.datatype.value


def example(shown: Table) -> str:
    """Return the query that the page shows."""
    some = ", ".join(delimited(column.name) for column in shown.columns[:4])
    return f"SELECT TOP 10 {some} FROM {delimited(shown.schema)}.{delimited(shown.name)}"  # noqa: S608  a text to show


def ways(shown: Table, signed: bool, clients: Clients) -> list[Lines]:
    """Return the lines that ask for rows of a table."""
    adql = example(shown)
    return [clients.notebook(adql), clients.pyvo(adql, signed), clients.curl(adql, signed), clients.stilts(adql, signed)]


def _ways(frame: Frame, shown: Table, release: SeenRelease, clients: Clients) -> list[Part]:
    signed = release.decision.rule != "release.public"
    told: list[Part] = [tag("h2", "How to query it")]
    if signed:
        kept = tag("a", "Connect", href="/hub/connect")
        told.append(tag("p", "Outside of the platform it needs a token: the page ", kept, " makes one, and says how to keep it."))
    for each in ways(shown, signed, clients):
        told += [tag("h3", each.title), tag("pre", each.text, id=each.id, class_=each.language, tabindex="0", aria_label=each.title)]
    topcat = f", with {'your name and a token under Authentication' if signed else 'no sign-in'}"
    told += [tag("h3", "TOPCAT"), tag("p", "VO → Table Access Protocol (TAP) Query → ", tag("code", clients.tap_url), f"{topcat}.")]
    if shown.position is not None:
        address = f"{clients.tap_url.removesuffix('/tap')}/scs/{shown.schema}/{shown.name}"
        told += [
            tag("h3", "Cone search"),
            tag("p", tag("code", f"{address}?RA=180&DEC=0&SR=1"), f", with {scs.identifier(shown).name} as identifier."),
        ]
    return told


def cite(release: SeenRelease, heading: str) -> list[Part]:
    """Return how to cite it, where the release says so, and what its licence is."""
    about = release.about
    contact = release.about_collection.contact_of(about)
    told = {"": about.cite, "DOI": about.doi, "Licence": about.licence, "Whom to ask": contact}
    found = [tag("p", f"{name}: {words}" if name else words) for name, words in told.items() if words]
    missing = tag("p", "The release does not say. Name it, and the address of this page.", class_="quiet")
    return [tag(heading, "How to cite it"), *(found if about.cite or about.doi else [missing, *found])]
