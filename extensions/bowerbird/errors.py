"""What goes wrong for a researcher, each with a sentence that says what, why and the way out.

Refused (PermissionError)    the path belongs to a release that is announced and not open to you
NotThere (FileNotFoundError) there is no such file, or no view of the data
NotWritten (OSError)         a file cannot be written where it was wanted
NoRelease (KeyError)         no release of your view has that name
BadArgument (ValueError)     a position, an angle, a name or a choice that cannot be understood
CutoutError (ValueError)
    OutsideImage             the region has no pixel in the image
    NotCuttable              the file or HDU is no image of the sky, or is damaged
        NoSky                its header has no celestial coordinates
VOTableError (ValueError)    a VOTable cannot be read, or values do not fit one
ServiceError (RuntimeError)  a service of the Virtual Observatory did not give what it was asked for
    ServiceGone, ServiceSlow, QueryRefused, SignInNeeded, NotATable, TooLarge, JobLost
Overflow (UserWarning)       the answer was cut off at a limit
"""

from typing import ClassVar

# With this a platform of ours ends what it says of what is closed.
_WHOM_TO_ASK = "Who can change that: "


class OneLine:
    """An error that a notebook shows as its sentence alone: the way through the code explains nothing there."""

    called: ClassVar[str] = ""
    """The name before the sentence, where people know the error by its base."""

    def _render_traceback_(self) -> list[str]:
        return [f"{self.called or type(self).__name__}: {self}"]


class Refused(OneLine, PermissionError):
    """The path belongs to a release that is not open to you; the message says until when and whom to ask."""


class NotThere(OneLine, FileNotFoundError):
    """A FileNotFoundError whose message names what there is instead."""

    called = "FileNotFoundError"

    def __str__(self) -> str:
        return f"{self.strerror}: {self.filename!r}"


class NotWritten(OneLine, OSError):
    """A file, or the folder for it, cannot be written there; the message says why."""

    called = "OSError"

    def __str__(self) -> str:
        return f"{self.strerror}: {self.filename!r}"


class NoRelease(OneLine, KeyError):
    """A KeyError whose message names the releases that there are."""

    called = "KeyError"

    def __str__(self) -> str:
        return str(self.args[0])


class BadArgument(OneLine, ValueError):
    """A ValueError whose message says what cannot be understood, and how it is written."""

    called = "ValueError"


class CutoutError(OneLine, ValueError):
    """A cutout that cannot be made; the message says why."""


class OutsideImage(CutoutError):
    """The region has no pixel in the image."""


class NotCuttable(CutoutError):
    """The file, or the HDU of it, is no image of the sky that a piece can be cut from."""


class NoSky(NotCuttable):
    """The image says nothing of where on the sky it is."""

    called = "NotCuttable"


class VOTableError(OneLine, ValueError):
    """A VOTable that cannot be read, or values that none can hold; the message says which column, where and why."""


class ServiceError(OneLine, RuntimeError):
    """A service of the Virtual Observatory did not give what it was asked for; the message names service, query and way out."""

    def __init__(self, service: str, trouble: str, way_out: str, query: str = "") -> None:
        asked = f"; the query was: {_shortened(query)}" if query else ""
        super().__init__(f"{service} {trouble.removesuffix('.')}; {way_out}{asked}")
        self.service, self.trouble, self.way_out, self.query = service, trouble, way_out, query


class ServiceGone(ServiceError):
    """The service cannot be reached, or says that it is not well."""


class ServiceSlow(ServiceError):
    """The time that was given for everything together is over; what ran for it was stopped."""


class QueryRefused(ServiceError):
    """The service read the query and says what is wrong with it."""

    def __init__(self, service: str, said: str, way_out: str = "change the query", query: str = "") -> None:
        way_out = "until then no query reads it" if tells_whom_to_ask(said) else way_out
        super().__init__(service, f"says: {said or 'an error, without a word on it'}", way_out, query)


class SignInNeeded(ServiceError):
    """The service wants a token, or does not take the one it got: it may have run out."""


class NotATable(ServiceError):
    """What came is not what the service says it is: a page for people, a table cut off, or something else."""


class TooLarge(ServiceError):
    """The answer is larger than what was allowed for it."""


class JobLost(ServiceError):
    """The service does not know the job any more, or aborted it."""


class Overflow(UserWarning):
    """There would have been more rows: the answer was cut off at a limit."""


def tells_whom_to_ask(said: str) -> bool:
    """Tell whether a service says that something is closed to who asks, and not that it does not know them."""
    return _WHOM_TO_ASK in said


def _shortened(query: str, most: int = 200) -> str:
    line = " ".join(query.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
