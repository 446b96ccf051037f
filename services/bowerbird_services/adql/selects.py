# ruff: noqa: S608  names are quoted, values are made by Expressions
"""Queries: which tables a SELECT reads, how they are joined, and the columns that it gives."""

from dataclasses import replace

from sqlglot import exp

from bowerbird_services.adql import matches, pairing, plain
from bowerbird_services.adql.carried import HIDDEN, carried, renamed, with_names
from bowerbird_services.adql.errors import nearest
from bowerbird_services.adql.expressions import Expressions
from bowerbird_services.adql.functions import widest
from bowerbird_services.adql.joins import Joins, Part, cells_of_any
from bowerbird_services.adql.names import called, reference
from bowerbird_services.adql.typed import NUMBERS, TEXTS, Expression, Named, Pairing, Scope, Selected, Source, quoted
from bowerbird_services.crossmatches import Crossmatch
from bowerbird_services.store.columns import is_array
from bowerbird_services.tables import HEALPIX_COLUMN, Catalogue, Column, Table

_OPERATIONS: dict[type[exp.Expr], str] = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}
_SELECT = frozenset(["expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct", "with_"])
_SET = frozenset(["this", "expression", "distinct", "order", "limit", "offset", "with_"])
_MOST_ROWS = 2**62


class Queries:
    """Turns the queries of one text into SQL, and remembers the tables they read."""

    def __init__(self, written: str, catalogues: tuple[Catalogue, ...]) -> None:
        self.expressions = Expressions(self, written)
        self.tables: dict[str, Table] = {}
        self.crossmatches: list[Crossmatch] = []
        self._joins = Joins(self.expressions)
        self._catalogues = catalogues
        self._aliases = 0

    def subquery(self, node: exp.Expr, outer: Scope) -> Selected:
        """Return a query inside another, which may name what is around it."""
        return self.query(node, outer)

    def query(self, node: exp.Expr, outer: Scope | None, most: int | None = None, *, carry: bool = False) -> Selected:
        """Return a query with its WITH, ORDER BY, OFFSET and TOP.

        `most` is the most rows that it may give; with `carry` they may have HEALPIX_COLUMN beside the query's own columns.
        """
        if isinstance(node, exp.Subquery):
            self.expressions.check(node, frozenset({"this", "alias", "with_", "order", "limit", "offset"}))
            if any(node.args.get(name) for name in ("order", "limit", "offset")):
                raise self.expressions.error("ORDER BY and OFFSET belong inside the parentheses", node)
        scope = Scope(outer=outer)
        named = self._with(node.args.get("with_"), scope)
        if isinstance(node, exp.Subquery):
            found = self.query(node.this, scope, most, carry=carry)
        elif isinstance(node, exp.Select):
            found = self._select(node, scope, most, carry)
        elif type(node) in _OPERATIONS:
            found = self._combined(node, scope, most)
        else:
            raise self.expressions.error("a query is a SELECT", node)
        return replace(found, sql=f"{named}{found.sql}")

    def _with(self, node: exp.Expr | None, scope: Scope) -> str:
        if node is None:
            return ""
        self.expressions.check(node, frozenset({"expressions"}))
        parts = []
        for item in node.expressions:
            self.expressions.check(item, frozenset({"this", "alias"}))
            alias = item.args["alias"]
            given = [column.name.lower() for column in alias.args.get("columns") or ()]
            selected = self.query(item.this, scope, carry=HEALPIX_COLUMN not in given)
            columns = self._renamed(alias, selected.columns)
            position = renamed(selected.position, selected.columns, columns)
            self._aliases += 1
            identifier = f"q{self._aliases}"
            names = ", ".join([*(quoted(column.name) for column in columns), *([HIDDEN] if position else [])])
            parts.append(f"{identifier}({names}) AS ({selected.sql})")
            if alias.name.lower() in scope.named:
                raise self.expressions.error(f"{alias.name!r} is defined twice", alias)
            scope.named[alias.name.lower()] = Named(identifier, columns, position)
        return f"WITH {', '.join(parts)} "

    def _renamed(self, alias: exp.Expr, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        names = [column.name for column in alias.args.get("columns") or ()]
        if names and len(names) != len(columns):
            raise self.expressions.error(f"{alias.name!r} has {len(columns)} columns, not {len(names)}", alias)
        return tuple(replace(column, name=name) for column, name in zip(columns, names, strict=True)) if names else columns

    def _combined(self, node: exp.Expr, scope: Scope, most: int | None) -> Selected:
        self.expressions.check(node, _SET)
        left, right = self.query(node.this, scope), self.query(node.args["expression"], scope)
        word = _OPERATIONS[type(node)] + ("" if node.args.get("distinct") else " ALL")
        if len(left.columns) != len(right.columns):
            raise self.expressions.error(f"{word} needs as many columns on both sides", node.args["expression"])
        columns = tuple(
            self._either(node, place, one, other) for place, (one, other) in enumerate(zip(left.columns, right.columns, strict=True))
        )
        outputs = {column.name.lower(): Expression(quoted(column.name), column) for column in columns}
        inner = Scope(sources=[Source("", "", "", columns)], outputs=outputs)
        tail = self._tail(node, inner, list(outputs.values()), most)
        return Selected(f"({left.sql}) {word} ({right.sql}){tail}", columns)

    def _either(self, node: exp.Expr, place: int, one: Column, other: Column) -> Column:
        """Return what a set operation makes of two columns: what is said of the left one, and a type that holds both."""
        if _is_null(node.this, place):
            return replace(one, datatype=other.datatype, arraysize=other.arraysize, xtype=other.xtype)
        if not _is_null(node.args["expression"], place) and _family(one) != _family(other):
            words = f"{one.name!r} and {other.name!r} stand in one column, and are not of one kind; CAST one of them"
            raise self.expressions.error(words, node.args["expression"])
        return replace(one, datatype=widest([one.datatype, other.datatype]))

    def _select(self, node: exp.Expr, scope: Scope, most: int | None, carry: bool) -> Selected:
        self.expressions.check(node, _SELECT)
        scope.of_two_tables = pairing.of_two_tables(node)
        relations = self._from(node, scope)
        found, where = self._where(node, scope)
        outputs = self._outputs(node, scope)
        group, having = self._grouped(node, scope, outputs)
        distinct = node.args.get("distinct")
        if distinct is not None:
            self.expressions.check(distinct, frozenset())
        scope.outputs = {output.column.name.lower(): output for output in outputs}
        columns = _distinct_names([output.column for output in outputs])
        listed = ", ".join(f"{output.sql} AS {quoted(column.name)}" for output, column in zip(outputs, columns, strict=True))
        position, order = (carried(scope.sources, outputs, columns) if carry else None) or (None, "")
        listed += f", {order} AS {HIDDEN}" if position else ""
        group += f", {order}" if position and group else ""
        tail = self._tail(node, scope, outputs, most)
        # The text of FROM is made last: what stands in WHERE decides which rows it copies.
        if scope.pairing is None:
            source = f" FROM {''.join(part() for part in relations)}"
        else:
            source, where = f" FROM {quoted(self._paired(scope.pairing))}", [*scope.on, *where]
        words = f" WHERE {' AND '.join(where)}" if where else ""
        sql = f"SELECT {'DISTINCT ' if distinct else ''}{listed}{source}{words}{group}{having}{tail}"
        return Selected(sql, columns, position, plain.cone(node, scope.sources, found, list(zip(outputs, columns, strict=True)), most))

    def _from(self, node: exp.Expr, scope: Scope) -> list[Part]:
        origin = node.args.get("from_")
        if origin is None:
            raise self.expressions.error("FROM is missing", node)
        self.expressions.check(origin, frozenset({"this"}))
        parts = self._relation(origin.this, scope)
        for item in node.args.get("joins") or ():
            parts.extend(self._joined(item, scope))
        return parts

    def _joined(self, node: exp.Expr, scope: Scope) -> list[Part]:
        before = list(scope.sources)
        return self._joins.joined(node, scope, before, self._relation(node.this, scope))

    def _paired(self, found: Pairing) -> str:
        """Return the identifier of a relation of pairs."""
        view = f"adql_pairs{len(self.crossmatches)}"
        self.crossmatches.append(pairing.crossmatch(found, view))
        return view

    def _relation(self, node: exp.Expr, scope: Scope) -> list[Part]:
        joins = node.args.get("joins") or ()
        if isinstance(node, exp.Table):
            parts = [self._added(self._table(node, scope), node, scope)]
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table | exp.Subquery) and not node.alias:
            self.expressions.check(node, frozenset({"this", "joins"}))
            parts = [lambda: "(", *self._relation(node.this, scope), lambda: ")"]
        elif isinstance(node, exp.Subquery):
            parts = [self._added(self._derived(node, scope), node, scope)]
        else:
            raise self.expressions.error("FROM names tables, or subqueries with a name", node)
        for item in joins:
            parts.extend(self._joined(item, scope))
        return parts

    def _added(self, source: Source, node: exp.Expr, scope: Scope) -> Part:
        for other in scope.sources:
            if other.name.lower() == source.name.lower():
                raise self.expressions.error(f"two tables of one FROM are called {source.name!r}; give one another name with AS", node)
        scope.sources.append(source)
        return lambda: matches.relation(source)

    def _alias(self) -> str:
        self._aliases += 1
        return f"s{self._aliases}"

    def _table(self, node: exp.Expr, scope: Scope) -> Source:
        self.expressions.check(node, frozenset({"this", "db", "catalog", "alias", "joins"}))
        if not isinstance(node.this, exp.Identifier):
            raise self.expressions.error("a function is no table", node)
        parts = [node.args.get("catalog"), node.args.get("db"), node.this]
        full_name = ".".join(part.name for part in parts if part)
        named = scope.query(full_name) if len([part for part in parts if part]) == 1 else None
        alias = node.args.get("alias")
        name = alias.name if alias is not None else full_name
        if named is not None:
            columns = self._renamed(alias, named.columns) if alias is not None else named.columns
            position = renamed(named.position, named.columns, columns)
            names = with_names(named.columns, columns, position)
            sql = named.identifier if columns is named.columns else f"(SELECT {names} FROM {named.identifier})"
            return Source(self._alias(), name, sql, columns, position=position)
        table = self._known(full_name, node, scope)
        if alias is not None and alias.args.get("columns"):
            raise self.expressions.error("columns are given other names in SELECT", alias)
        position = (table.position.ra, table.position.dec) if table.position else None
        return Source(self._alias(), name, quoted(table.view), table.columns, table, table.rows, position)

    def _known(self, full_name: str, node: exp.Expr, scope: Scope) -> Table:
        for catalogue in self._catalogues:
            table = catalogue.get(full_name)
            if table is not None:
                self.tables[table.view] = table
                return table
        names = [table.full_name for catalogue in self._catalogues for table in catalogue]
        short = [name for name in names if name.rpartition(".")[2].lower() == full_name.lower()]
        raise self.expressions.error(f"there is no table {full_name[:120]!r}", node, short[0] if short else nearest(full_name, names))

    def _derived(self, node: exp.Expr, scope: Scope) -> Source:
        self.expressions.check(node, frozenset({"this", "alias", "joins"}))
        alias = node.args.get("alias")
        if alias is None:
            raise self.expressions.error("a subquery in FROM needs a name: (SELECT …) AS name", node)
        # What stands beside it in FROM is not visible in it; what is around the whole SELECT is.
        selected = self.query(node.this, Scope(named=scope.named, outer=scope.outer), carry=True)
        columns = self._renamed(alias, selected.columns)
        position = renamed(selected.position, selected.columns, columns)
        sql = f"({selected.sql})"
        if columns is not selected.columns:
            sql = f"(SELECT {with_names(selected.columns, columns, position)} FROM {sql})"
        return Source(self._alias(), alias.name, sql, columns, position=position)

    def _where(self, node: exp.Expr, scope: Scope) -> tuple[list[Expression], list[str]]:
        where = node.args.get("where")
        if where is None:
            return [], []
        self.expressions.check(where, frozenset({"this"}))
        found = self.expressions.conjuncts(where.this, scope)
        self._no_aggregates(found, where, "WHERE")
        cells = [cell for condition in found if condition.match for cell in cells_of_any(condition.match, scope)]
        return found, [*cells, *(condition.sql for condition in found)]

    def _no_aggregates(self, found: list[Expression], node: exp.Expr, word: str) -> None:
        if any(part.aggregates for part in found):
            raise self.expressions.error(f"an aggregate stands in SELECT or HAVING, not in {word}", node)

    def _outputs(self, node: exp.Expr, scope: Scope) -> list[Expression]:
        outputs: list[Expression] = []
        for item in node.expressions:
            if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
                self.expressions.check(item, frozenset({"this", "table", "db", "catalog"}))
                self.expressions.check(item.this if isinstance(item, exp.Column) else item, frozenset())
                outputs.extend(self._star(item, scope))
                continue
            alias = None
            if isinstance(item, exp.Alias):
                self.expressions.check(item, frozenset({"this", "alias"}))
                item, alias = item.this, item.alias  # noqa: PLW2901  the value under its name
            value = self.expressions.value(item, scope)
            if value.is_condition:
                raise self.expressions.error("a condition is no column; use CASE WHEN … THEN 1 ELSE 0 END", item)
            outputs.append(replace(value, column=replace(value.column, name=alias)) if alias else value)
        return outputs

    def _star(self, node: exp.Expr, scope: Scope) -> list[Expression]:
        parts = [node.args.get(name) for name in ("catalog", "db", "table")] if isinstance(node, exp.Column) else []
        qualifier = ".".join(part.name for part in parts if part)
        sources = [source for source in scope.sources if not qualifier or called(source, qualifier)]
        if not sources:
            names = [source.name for source in scope.sources]
            raise self.expressions.error(f"no table of this query is called {qualifier!r}", node, nearest(qualifier, names))
        merged = [] if qualifier else list(scope.merged.values())
        return merged + [
            reference(source, column)
            for source in sources
            for column in source.columns
            if qualifier or column.name.lower() not in scope.merged
        ]

    def _grouped(self, node: exp.Expr, scope: Scope, outputs: list[Expression]) -> tuple[str, str]:
        group, having = node.args.get("group"), node.args.get("having")
        keys: list[Expression] = []
        if group is not None:
            self.expressions.check(group, frozenset({"expressions"}))
            keys = [self._key(item, scope, outputs) for item in group.expressions]
            self._no_aggregates(keys, group, "GROUP BY")
        condition = None
        if having is not None:
            self.expressions.check(having, frozenset({"this"}))
            condition = self.expressions.condition(having.this, scope)
        if keys or condition or any(output.aggregates for output in outputs):
            known = {key.sql for key in keys}
            for output in outputs:
                if output.direct is not None and output.sql not in known:
                    raise self.expressions.error(f"the column {output.column.name!r} is neither in GROUP BY nor in an aggregate", node)
        words = f" GROUP BY {', '.join(key.sql for key in keys)}" if keys else ""
        return words, f" HAVING {condition.sql}" if condition else ""

    def _key(self, node: exp.Expr, scope: Scope, outputs: list[Expression]) -> Expression:
        if isinstance(node, exp.Column) and not node.args.get("table"):
            for output in outputs:
                if output.column.name.lower() == node.name.lower() and output.direct is None and not output.aggregates:
                    return output
        return self.expressions.plain(node, scope)

    def _tail(self, node: exp.Expr, scope: Scope, outputs: list[Expression], most: int | None) -> str:
        order = node.args.get("order")
        words = ""
        if order is not None:
            self.expressions.check(order, frozenset({"expressions"}))
            words = f" ORDER BY {', '.join(self._ordered(item, scope, outputs) for item in order.expressions)}"
        limit = self._rows(node.args.get("limit"), "TOP")
        limit = most if limit is None else limit if most is None else min(limit, most)
        offset = self._rows(node.args.get("offset"), "OFFSET")
        words += f" LIMIT {limit}" if limit is not None else ""
        return words + (f" OFFSET {offset}" if offset is not None else "")

    def _rows(self, node: exp.Expr | None, word: str) -> int | None:
        if node is None:
            return None
        self.expressions.check(node, frozenset({"expression"}))
        value = node.args["expression"]
        if not isinstance(value, exp.Literal) or value.is_string or not value.this.isdigit() or int(value.this) > _MOST_ROWS:
            raise self.expressions.error(f"{word} takes a whole number", node)
        return int(value.this)

    def _ordered(self, node: exp.Expr, scope: Scope, outputs: list[Expression]) -> str:
        self.expressions.check(node, frozenset({"this", "desc", "nulls_first"}))
        value = node.this
        if isinstance(value, exp.Literal) and not value.is_string:
            if not value.this.isdigit() or not 1 <= int(value.this) <= len(outputs):
                raise self.expressions.error(f"ORDER BY {value.this[:20]}: the query has {len(outputs)} columns", node)
            sql = value.this
        elif isinstance(value, exp.Column) and not value.args.get("table") and value.name.lower() in scope.outputs:
            sql = str(1 + [output.column.name.lower() for output in outputs].index(value.name.lower()))
        else:
            sql = self.expressions.plain(value, scope).sql
        return f"{sql}" + (" DESC" if node.args.get("desc") else "") + (" NULLS FIRST" if node.args.get("nulls_first") else " NULLS LAST")


def _distinct_names(columns: list[Column]) -> tuple[Column, ...]:
    """Return columns whose names differ also without case, since a result is read by them."""
    taken: set[str] = set()
    named = []
    for column in columns:
        name, number = column.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{column.name}_{number}"
        taken.add(name.lower())
        named.append(replace(column, name=name))
    return tuple(named)


def _family(column: Column) -> tuple[object, ...]:
    """Return what columns must have in common to be one (ADQL 2.1, section 4.5)."""
    text = column.datatype in TEXTS
    return ("text" if text else "number" if column.datatype in NUMBERS else column.datatype, is_array(column))


def _is_null(node: exp.Expr, place: int) -> bool:
    listed = getattr(node, "selects", ())
    return place < len(listed) and isinstance(listed[place].unalias(), exp.Null)
