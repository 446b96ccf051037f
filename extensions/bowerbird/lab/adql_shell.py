"""What a shell gets at its start: `%%adql`, its completion, and the look of a table of cutouts; none imports anything before it is used."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bowerbird.lab.adql_completion import Words

_MAGIC = "%%adql"


def register(shell: Any) -> None:
    """Give a shell the magic, its completion, and the look of a table of cutouts."""
    from IPython.core.completer import SimpleCompletion, context_matcher  # noqa: PLC0415  # a shell has it

    def adql(line: str, cell: str) -> Any:
        """Run a query in ADQL: %%adql [NAME] [--service URL] [--limit ROWS] [--background] [--fresh] [--upload NAME ...]."""
        from bowerbird.lab import adql_magic  # noqa: PLC0415  # see above

        return adql_magic.adql(shell, line, cell)

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython's
    def adql_words(context: Any) -> dict[str, Any]:
        if not context.full_text.lstrip().startswith(_MAGIC) or context.cursor_line == 0:
            return {"completions": []}
        from bowerbird.lab.adql_completion import beside, proposals  # noqa: PLC0415  # see above

        start, offered = proposals(context.full_text, context.text_until_cursor, _words(), shell.user_ns)
        made = [SimpleCompletion(text=word.name, type=beside(kind, word)) for kind, word in offered]
        return {"completions": made, "matched_fragment": start, "ordered": True, "suppress": True}

    shell.register_magic_function(adql, "cell", "adql")
    shell.Completer.custom_matchers.append(adql_words)
    shell.display_formatter.mimebundle_formatter.for_type_by_name("astropy.table.table", "Table", _cutouts_shown)


def _cutouts_shown(table: Any, include: Any = None, exclude: Any = None) -> Any:
    """Show a table that `bowerbird.cutouts` made as its stamps and its rows; None leaves any other to astropy."""
    if "cutout" not in table.colnames:
        return None
    from bowerbird.views import shown_cutouts  # noqa: PLC0415  # see above

    return shown_cutouts(table)


@cache
def _words() -> "Words":
    from bowerbird.lab.adql_completion import Words  # noqa: PLC0415  # see above

    return Words()
