"""The parts of the HTTP services that answer for images: their paths lead to a port of their own, at which two processes may answer."""

from typing import Final

IMAGE_PARTS: Final = ("sia2", "datalink", "soda", "products", "hips", "moc")
