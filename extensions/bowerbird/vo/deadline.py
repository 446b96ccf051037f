"""The time that is given for everything together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bowerbird.errors import ServiceError, ServiceSlow


@asynccontextmanager
async def within(seconds: float, service: str, query: str = "", way_out: str = "or ask for less") -> AsyncIterator[None]:
    """Stop what runs in the block when the time is over, and say so as ServiceSlow."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except ServiceError:
        raise
    except TimeoutError as error:
        raise ServiceSlow(service, f"was not done within {seconds:g} s", f"give it more with seconds=, {way_out}", query) from error
