"""What a word of a command names: never nothing, which is what an unset variable of the shell gives."""

from typing import Any

import click

_EMPTY = "it is empty, as an unset variable of the shell is; name something, or leave it away"


class NamedPath(click.Path):
    """A path that is not empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if not value:
            self.fail(_EMPTY, param, ctx)
        return super().convert(value, param, ctx)


class Named(click.ParamType[str]):
    """A text that is not empty."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        return str(value) if value else self.fail(_EMPTY, param, ctx)
