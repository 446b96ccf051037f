"""How the tables of one FROM are joined: by columns, by conditions, and by positions, whose matches need not compare every pair."""

import math
from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from bowerbird_services.adql import matches, pairing
from bowerbird_services.adql.expressions import Expressions
from bowerbird_services.adql.names import reference
from bowerbird_services.adql.typed import Expression, Match, Scope, Source

# A piece of the text of FROM, made when all of the query is known.
Part = Callable[[], str]


class Joins:
    """Turns the joins of one text into SQL."""

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions

    def joined(self, node: exp.Expr, scope: Scope, before: list[Source], right: list[Part]) -> list[Part]:
        """Return a join of the sources `before` with those that came into the scope after them, whose text is `right`."""
        added = scope.sources[len(before) :]
        self._expressions.check(node, frozenset({"this", "on", "using", "side", "kind", "method"}))
        side = str(node.args.get("side") or "").upper()
        kind, method = str(node.args.get("kind") or "").upper(), str(node.args.get("method") or "").upper()
        if method not in {"", "NATURAL"} or kind not in {"", "INNER", "OUTER", "CROSS"}:
            raise self._expressions.error(f"ADQL has no {method or kind} JOIN", node)
        using = list(node.args.get("using") or ())
        on = node.args.get("on")
        if method == "NATURAL":
            using = [
                exp.to_identifier(column.name)
                for source in added
                for column in source.columns
                if any(other.find(column.name, delimited=False) for other in before)
            ]
        if using or method:
            equal = self._using(using, scope, before, added, side)
            return [lambda: f" {side} JOIN ", *right, lambda: f" ON {equal}"]
        if on is None:
            if side or kind == "INNER":
                raise self._expressions.error("a JOIN says with ON or USING what it joins", node)
            return [lambda: " CROSS JOIN ", *right]
        condition = self._on(on, scope, before, added, side)
        return [lambda: f" {side} JOIN ", *right, lambda: f" ON {condition}"]

    def _using(self, names: list[exp.Expr], scope: Scope, before: list[Source], added: list[Source], side: str) -> str:
        """Return the equality of the columns of USING, and merge each pair into one column."""
        equal = []
        for name in names:
            left = scope.merged.get(name.name.lower()) or self._one(name, before)
            right = self._one(name, added)
            equal.append(f"{left.sql} = {right.sql}")
            merged = right if side == "RIGHT" else left
            if side == "FULL":
                merged = replace(left, sql=f"coalesce({left.sql}, {right.sql})", sources=left.sources | right.sources, direct=None)
            scope.merged[name.name.lower()] = merged
        return " AND ".join(equal) or "TRUE"

    def _one(self, name: exp.Expr, sources: list[Source]) -> Expression:
        found = [(source, column) for source in sources if (column := source.find(name.name, delimited=bool(name.args.get("quoted"))))]
        if len(found) != 1:
            fault = "is in more than one table" if found else "is not on both sides of the JOIN"
            raise self._expressions.error(f"the column {name.name!r} {fault}", name)
        return reference(*found[0])

    def _on(self, node: exp.Expr, scope: Scope, before: list[Source], added: list[Source], side: str) -> str:
        conditions = self._expressions.conjuncts(node, scope)
        cells = []
        for condition in conditions:
            if condition.match and not (side == "" and pairing.taken(condition.match, scope)):
                cells += self._cell(condition.match, before, added, side)
        scope.on = [condition.sql for condition in conditions]
        return " AND ".join([*cells, *scope.on])

    @staticmethod
    def _cell(match: Match, before: list[Source], added: list[Source], side: str) -> list[str]:
        """Return the equality of cells for a match, where there is one; the side whose rows a join keeps is never copied."""
        cell = None
        if side not in {"FULL", "RIGHT"} and len(added) == 1 and not (side == "" and _smaller(before, added[0])):
            cell = matches.join(match, before, added[0])
        elif side in {"", "RIGHT"} and len(before) == 1:
            cell = matches.join(match, added, before[0])
        return [cell] if cell else []


def cells_of_any(match: Match, scope: Scope) -> list[str]:
    """Return the equality of cells for a match in WHERE, which drops all rows but one copy, whatever was joined how."""
    if pairing.taken(match, scope):
        return []
    for source in sorted(scope.sources, key=lambda source: math.inf if source.rows is None else source.rows):
        cell = matches.join(match, [other for other in scope.sources if other is not source], source)
        if cell:
            return [cell]
    return []


def _smaller(before: list[Source], right: Source) -> bool:
    """Return whether the one table on the left is the one whose rows are better copied."""
    return len(before) == 1 and before[0].rows is not None and right.rows is not None and before[0].rows < right.rows
