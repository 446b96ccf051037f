"""What goes wrong for a researcher, each with a sentence that says what, why and the way out.

Refused (PermissionError)    the path belongs to a release that is announced and not open to you
NotThere (FileNotFoundError) there is no such file, or no view of the data
CutoutError (ValueError)
    OutsideImage             the region has no pixel in the image
    NotCuttable              the file or HDU is no image of the sky, or is damaged
VOTableError (ValueError)    a VOTable cannot be read, or values do not fit one
"""


class Refused(PermissionError):
    """The path belongs to a release that is not open to you; the message says until when and whom to ask."""

    def _render_traceback_(self) -> list[str]:
        """Show the sentence alone in a notebook: the way through the code explains nothing here."""
        return [f"Refused: {self}"]


class NotThere(FileNotFoundError):
    """A FileNotFoundError whose message names what there is instead."""

    def _render_traceback_(self) -> list[str]:
        """Show the sentence alone in a notebook, as `Refused` does."""
        return [f"FileNotFoundError: {self.strerror}: {self.filename!r}"]


class CutoutError(ValueError):
    """A cutout that cannot be made; the message says why."""


class OutsideImage(CutoutError):
    """The region has no pixel in the image."""


class NotCuttable(CutoutError):
    """The file, or the HDU of it, is no image of the sky that a piece can be cut from."""


class VOTableError(ValueError):
    """A VOTable that cannot be read, or values that none can hold; the message says which column, where and why."""
