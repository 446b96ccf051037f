"""What goes wrong for a researcher, each with a sentence that says what, why and the way out.

Refused (PermissionError)    the path belongs to a release that is announced and not open to you
CutoutError (ValueError)
    OutsideImage             the region has no pixel in the image
    NotCuttable              the file or HDU is no image of the sky, or is damaged
"""


class Refused(PermissionError):
    """The path belongs to a release that is not open to you; the message says until when and whom to ask."""

    def _render_traceback_(self) -> list[str]:
        """Show the sentence alone in a notebook: the way through the code explains nothing here."""
        return [f"Refused: {self}"]


class CutoutError(ValueError):
    """A cutout that cannot be made; the message says why."""


class OutsideImage(CutoutError):
    """The region has no pixel in the image."""


class NotCuttable(CutoutError):
    """The file, or the HDU of it, is no image of the sky that a piece can be cut from."""
