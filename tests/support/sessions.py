"""The session that the functions of a notebook share, begun anew."""

from bowerbird.vo import session as sessions
from bowerbird.vo.loop import LOOP


def forget() -> None:
    """Close the session of this process; the next question begins another, from the environment as it is then."""
    for held in sessions._held:
        LOOP.run(held.close())
    sessions._held.clear()
