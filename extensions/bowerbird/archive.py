"""Images that services have: found around a position, and what there is of each."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bowerbird.errors import BadArgument

if TYPE_CHECKING:
    from astropy.table import QTable, Row, Table


def images(  # noqa: PLR0913  # most are named when they are given
    position: Any,
    radius: Any,
    service: str | None = None,
    *,
    band: Any = None,
    time: Any = None,
    collection: str | None = None,
    kind: str | None = None,
    limit: int | None = None,
    seconds: float = 60,
) -> "QTable":
    """Return the images and cubes that a service has around a position.

    Parameters
    ----------
    position : SkyCoord, str or (ra, dec)
        Where: two numbers are degrees; a text is a position, or the name of an NGC, IC or Messier object.
    radius : Quantity or str
        How far, such as ``"2 arcmin"``: an image that touches the circle is found.
    service : str, optional
        The address of any image service (SIA 2.0, its ``query``); without it, the platform's own.
    band : pair of Quantity or str, optional
        Between which wavelengths, such as ``("400 nm", "700 nm")``; frequencies and energies are understood too.
    time : pair of Time, str or float, optional
        Between which times, the earlier one first; numbers are Modified Julian Dates.
    collection : str, optional
        Of which collection, as the service writes it; of the platform itself also ``"a370"`` for all releases of one.
    kind : {"image", "cube"}, optional
        Only images, or only cubes.
    limit : int, optional
        The most records to get; fewer than there are come with the warning `Overflow`.
    seconds : float
        What everything together may take.

    Returns
    -------
    QTable
        A record of ObsCore for each, with units. `links` tells what there is of one; ``obs_publisher_did`` and
        ``access_url`` are what `cutouts` takes for an image.

    Raises
    ------
    ServiceError
        No answer: the message names the service, the query, and the way out.

    """
    from bowerbird.catalogues import degrees  # noqa: PLC0415  # `import bowerbird` stays light
    from bowerbird.vo import addresses, sia2  # noqa: PLC0415  # as above
    from bowerbird.vo.loop import LOOP  # noqa: PLC0415  # as above
    from bowerbird.vo.names import position as found  # noqa: PLC0415  # as above
    from bowerbird.vo.session import session  # noqa: PLC0415  # as above

    if kind not in (None, "image", "cube"):
        raise BadArgument(f"kind is {kind!r}; it is 'image' or 'cube'")
    if limit is not None and limit < 0:
        raise BadArgument(f"limit is {limit}; it is a number of records, 0 or more")
    at, held = found(position), session()
    address = addresses.named(service) if service else held.beside(addresses.SIA2)
    if not address:
        raise BadArgument("no platform is here that has images: name a service, as in service='https://example.org/sia2/query'")
    told = {"BAND": _band(band), "TIME": _time(time), "DPTYPE": kind or ""}
    more = {name: [value] for name, value in told.items() if value}
    if collection:
        more["COLLECTION"] = [collection] if service else _releases_of(collection)
    search = sia2.Search(float(at.ra.deg), float(at.dec.deg), degrees(radius), more, limit)
    answer = LOOP.run(sia2.ask(held.http, address, search, seconds=seconds))
    with answer.file:
        answer.warn()
        return answer.to_qtable()


def links(record: "Row | str", *, seconds: float = 60) -> "Table":
    """Return what there is of a record: the file, previews, what it was made of, services that cut it.

    Parameters
    ----------
    record : Row or str
        A row that `images` found; or a publisher DID of the platform (``ivo://…``), or an address of DataLink.
    seconds : float
        What everything together may take.

    Returns
    -------
    Table
        A row for each link, as DataLink has them: ``semantics`` says what it is (``#this`` is the file), ``access_url``
        where. What is not to be had is a row with a ``reason``.

    Raises
    ------
    ServiceError
        No answer: the message names the service and the way out.

    """
    from astropy.table import Column  # noqa: PLC0415  # `import bowerbird` stays light

    from bowerbird.vo import datalink  # noqa: PLC0415  # as above
    from bowerbird.vo.loop import LOOP  # noqa: PLC0415  # as above
    from bowerbird.vo.session import session  # noqa: PLC0415  # as above

    held = session()
    found = LOOP.run(datalink.ask(held.http, _links_of(record, held), seconds=seconds))
    with found.answer.file:
        table = found.answer.to_table()
    messages = table["error_message"].tolist() if "error_message" in table.colnames else [None] * len(table)
    table["reason"] = Column([datalink.reason(one or "") for one in messages], dtype=str, description="why there is no such link")
    return table


def _links_of(record: Any, held: Any) -> str:
    from astropy.table import Table  # noqa: PLC0415  # `import bowerbird` stays light

    if isinstance(record, str):
        return links_address(record, held)
    if isinstance(record, Table):
        told = f"links are of one record, and this table has {len(record) or 'none'}"
        raise BadArgument(f"{told}; take a row of it, as in bowerbird.links(found[0])")
    try:
        says = {name: str(record[name]) for name in ("access_format", "access_url", "obs_publisher_did")}
    except (KeyError, TypeError, IndexError):
        raise BadArgument("a record is a row that bowerbird.images found, a publisher DID (ivo://…) or an address of DataLink") from None
    return links_address(says["access_url" if is_links(says) else "obs_publisher_did"], held)


def is_links(says: Mapping[str, str]) -> bool:
    """Tell whether the address of a record leads to its links."""
    from bowerbird.vo.datalink import CONTENT  # noqa: PLC0415  # `import bowerbird` stays light

    return CONTENT in says["access_format"].lower().replace(" ", "")


def links_address(name: str, held: Any) -> str:
    """Return where the links of an image are told, by its publisher DID or as it stands."""
    from urllib.parse import quote  # noqa: PLC0415  # `import bowerbird` stays light

    from bowerbird.vo import addresses  # noqa: PLC0415  # as above

    if name.startswith(("http://", "https://")):
        return name
    if not name.startswith("ivo://"):
        raise BadArgument(f"{name!r} is neither a publisher DID (ivo://…) nor an address of DataLink (https://…)")
    service = held.beside(addresses.LINKS)
    if service is None:
        raise BadArgument(f"no platform is here that knows {name}; give the address of its DataLink, like access_url")
    return f"{service}?ID={quote(name, safe='')}"


def _releases_of(name: str) -> list[str]:
    """Return what the platform calls the releases that a name means; BadArgument where it means none of those in sight."""
    from bowerbird.manifest import manifest  # noqa: PLC0415  # `import bowerbird` stays light

    try:
        known = manifest()
    except FileNotFoundError:  # away from the platform, which knows them
        return [name]
    found = [f"{one['collection']}/{one['release']}" for one in known.opened(name)]
    if not found:
        there = ", ".join(dict.fromkeys(one["collection"] for one in known.releases)) or "none"
        raise BadArgument(f"{name!r} is neither a collection nor a release, as in 'ngc' or 'ngc/dr1'; collections: {there}")
    return found


def _band(band: Any) -> str:
    if band is None:
        return ""
    import astropy.units as u  # noqa: PLC0415  # `import bowerbird` stays light

    from bowerbird.vo.sia2 import interval  # noqa: PLC0415  # as above

    try:
        first, second = (u.Quantity(one).to_value(u.m, u.spectral()) for one in band)
    except (u.UnitsError, TypeError, ValueError):
        raise BadArgument(f"band is {band!r}; give two with their units, like ('400 nm', '700 nm')") from None
    return interval(*sorted((float(first), float(second))))


def _time(time: Any) -> str:
    if time is None:
        return ""
    from astropy.time import Time  # noqa: PLC0415  # `import bowerbird` stays light

    from bowerbird.vo.sia2 import interval  # noqa: PLC0415  # as above

    try:
        first, last = (float(one) if isinstance(one, int | float) else float(Time(one).mjd) for one in time)
    except (TypeError, ValueError):
        raise BadArgument(f"time is {time!r}; give two, like ('2024-01-01', '2024-07-01') or two Modified Julian Dates") from None
    if not first <= last:
        raise BadArgument(f"time is {time!r}, which holds nothing; give the earlier one first")
    return interval(first, last)
