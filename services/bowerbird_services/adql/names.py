"""What a name in a query means: columns and tables by name, without case unless they are delimited."""

from bowerbird_services.adql.errors import nearest
from bowerbird_services.adql.typed import Expression, Scope, Source, quoted
from bowerbird_services.tables import Column


def reference(source: Source, column: Column) -> Expression:
    """Return a column of a source as a value."""
    source.used.add(column.name)
    name = f"{source.alias}.{quoted(column.name)}" if source.alias else quoted(column.name)
    return Expression(name, column, frozenset({source.alias}), direct=(source, column))


def called(source: Source, qualifier: str) -> bool:
    """Return whether a qualifier means a source: its alias, or the name of its table with or without its schema."""
    names = {source.name.lower()}
    if source.table is not None and source.name.lower() in (source.table.full_name.lower(), source.table.name.lower()):
        names |= {source.table.full_name.lower(), source.table.name.lower()}
    return qualifier.lower() in names


def find(scope: Scope, qualifier: str, name: str, *, delimited: bool) -> list[Expression]:
    """Return the columns of that name in one SELECT."""
    if not qualifier and name.lower() in scope.merged:
        return [scope.merged[name.lower()]]
    sources = [source for source in scope.sources if not qualifier or called(source, qualifier)]
    return [reference(source, column) for source in sources if (column := source.find(name, delimited=delimited)) is not None]


def missing(scope: Scope, qualifier: str, name: str) -> tuple[str, str | None]:
    """Return the sentence for a name that means nothing here, and the name that is most like it."""
    level: Scope | None = scope
    sources: list[Source] = []
    while level is not None:
        sources.extend(level.sources)
        level = level.outer
    meant = [source for source in sources if not qualifier or called(source, qualifier)]
    if not meant:
        return f"no table of this query is called {qualifier[:120]!r}", nearest(qualifier, [source.name for source in sources])
    place = f" in {qualifier}" if qualifier else ""
    return f"there is no column {name[:120]!r}{place}", nearest(name, [column.name for source in meant for column in source.columns])
