"""The client of the Virtual Observatory: asyncio, without Jupyter; each module is imported when it is needed."""
