"""What a shell gets for `%%adql` at its start: the magic and its completion; neither imports anything before it is used."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bowerbird.lab.adql_completion import Words

_MAGIC = "%%adql"


def register(shell: Any) -> None:
    """Give a shell the magic and its completion."""
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


@cache
def _words() -> "Words":
    from bowerbird.lab.adql_completion import Words  # noqa: PLC0415  # see above

    return Words()
