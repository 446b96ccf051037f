"""Values and conditions: each kind of node that a query may have becomes SQL here, and no other kind does."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from bowerbird.votable.field import Datatype
from sqlglot import exp

from bowerbird_services.adql import cones, geometry, names, regions
from bowerbird_services.adql.dialect import place
from bowerbird_services.adql.errors import ADQLError, Unfit, nearest
from bowerbird_services.adql.functions import FUNCTIONS, widest
from bowerbird_services.adql.ivoa import main_position
from bowerbird_services.adql.typed import TEXTS, WHOLE, Expression, Match, Scope, Shape, number, text, together
from bowerbird_services.tables import Column

if TYPE_CHECKING:
    from bowerbird_services.adql.selects import Queries

MAX_DEPTH = 100
_BOOLEAN = Column("condition", Datatype.BOOLEAN)
# Arguments of sqlglot's nodes that we understand; a node with any other is refused.
_KNOWN: dict[type[exp.Expr], frozenset[str]] = {
    kind: frozenset(names.split())
    for kind, names in {
        exp.Alias: "this alias", exp.Column: "this table db catalog", exp.Star: "", exp.Literal: "this is_string", exp.Null: "",
        exp.HexString: "this is_integer", exp.Boolean: "this", exp.Paren: "this", exp.Neg: "this", exp.Not: "this", exp.BitwiseNot: "this",
        exp.Between: "this low high", exp.In: "this expressions query", exp.Exists: "this", exp.Case: "this ifs default",
        exp.If: "this true", exp.Anonymous: "this expressions", exp.Subquery: "this", exp.Div: "this expression typed safe",
        exp.DPipe: "this expressions expression safe", exp.Distinct: "expressions", exp.Like: "this expression negate",
        exp.ILike: "this expression negate",
    }.items()
}  # fmt: skip
_TWO = frozenset({"this", "expression"})
_COMPARISONS: dict[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_BITS: dict[type[exp.Expr], str] = {exp.BitwiseAnd: "({} & {})", exp.BitwiseOr: "({} | {})", exp.BitwiseXor: "xor({}, {})"}
_TYPES: dict[str, tuple[str, Datatype, str | None]] = {
    "SMALLINT": ("SMALLINT", Datatype.SHORT, None),
    "INTEGER": ("INTEGER", Datatype.INT, None),
    "INT": ("INTEGER", Datatype.INT, None),
    "BIGINT": ("BIGINT", Datatype.LONG, None),
    "REAL": ("FLOAT", Datatype.FLOAT, None),
    "FLOAT": ("DOUBLE", Datatype.DOUBLE, None),
    "DOUBLE": ("DOUBLE", Datatype.DOUBLE, None),
    "DOUBLE PRECISION": ("DOUBLE", Datatype.DOUBLE, None),
    "CHAR": ("VARCHAR", Datatype.UNICODE_CHAR, "*"),
    "VARCHAR": ("VARCHAR", Datatype.UNICODE_CHAR, "*"),
    "TIMESTAMP": ("TIMESTAMP", Datatype.CHAR, "*"),
}


class Expressions:
    """Turns the nodes of one query's values into SQL."""

    def __init__(self, queries: "Queries", written: str) -> None:
        self.queries = queries
        self.written = written
        self._depth = 0
        self._turn: dict[type[exp.Expr], Callable[[exp.Expr, Scope], Expression]] = {
            exp.Column: self._column, exp.Literal: self._literal, exp.HexString: self._hexadecimal, exp.Null: self._null,
            exp.Boolean: self._boolean, exp.Paren: self._paren, exp.Neg: self._negative, exp.Not: self._not, exp.And: self._both,
            exp.Or: self._both, exp.Between: self._between, exp.In: self._in, exp.Exists: self._exists, exp.Like: self._like,
            exp.ILike: self._like, exp.Is: self._is, exp.Case: self._case, exp.Anonymous: self._call, exp.DPipe: self._joined,
            exp.BitwiseNot: self._complement, exp.Subquery: self._scalar, **dict.fromkeys(_COMPARISONS, self._compare),
            **dict.fromkeys(_ARITHMETIC, self._calculate), **dict.fromkeys(_BITS, self._bits),
        }  # fmt: skip

    def error(self, message: str, node: exp.Expr | None, suggestion: str | None = None) -> ADQLError:
        """Return an error at the place of a node."""
        starts = [inner.meta["start"] for inner in node.walk() if "start" in inner.meta] if node is not None else []
        return ADQLError(message, *(place(self.written, min(starts)) if starts else (1, 1)), suggestion)

    def check(self, node: exp.Expr, known: frozenset[str]) -> None:
        """Refuse a node with more in it than we understand."""
        more = [name for name, value in node.args.items() if value and name not in known]
        if more:
            word = more[0].strip("_").upper()
            raise self.error(f"ADQL has no {word} here", node)

    def value(self, node: exp.Expr | None, scope: Scope) -> Expression:
        """Return a value or a condition."""
        turn = self._turn.get(type(node)) if node is not None else None
        if node is None or turn is None:
            raise self.error(f"ADQL has no {type(node).__name__.upper()}" if node is not None else "a value is missing", node)
        self.check(node, _KNOWN.get(type(node), _TWO))
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.error("the query is nested too deeply", node)
        try:
            return turn(node, scope)
        except Unfit as error:
            raise self.error(str(error), node) from error
        finally:
            self._depth -= 1

    def condition(self, node: exp.Expr | None, scope: Scope) -> Expression:
        """Return a condition."""
        found = self.value(node, scope)
        if not found.is_condition and found.column.datatype is not Datatype.BOOLEAN:
            raise self.error("this is a value, not a condition; compare it with another", node)
        return found

    def plain(self, node: exp.Expr | None, scope: Scope) -> Expression:
        """Return a number, text or time: neither a condition nor a region."""
        found = self.value(node, scope)
        if found.shape is None:
            return found
        raise self.error("a region cannot be compared or computed with; use CONTAINS, INTERSECTS or DISTANCE", node)

    def conjuncts(self, node: exp.Expr | None, scope: Scope) -> list[Expression]:
        """Return the conditions that must all hold."""
        return [self.condition(part, scope) for part in _chain(node, exp.And)] if node is not None else []

    def _made(self, sql: str, column: Column, parts: list[Expression], *, is_condition: bool = False) -> Expression:
        aggregates = any(part.aggregates for part in parts)
        return Expression(sql, column, together(parts), aggregates=aggregates, is_condition=is_condition)

    def _truth(self, sql: str, parts: list[Expression]) -> Expression:
        return self._made(sql, _BOOLEAN, parts, is_condition=True)

    def _column(self, node: exp.Expr, scope: Scope) -> Expression:
        if isinstance(node.this, exp.Star):
            raise self.error("a star stands only among the columns of SELECT and in COUNT(*)", node)
        name, delimited = node.this.name, bool(node.this.args.get("quoted"))
        qualifier = ".".join(part.name for part in (node.args.get("catalog"), node.args.get("db"), node.args.get("table")) if part)
        level: Scope | None = scope
        while level is not None:
            found = names.find(level, qualifier, name, delimited=delimited)
            if len(found) > 1:
                both = " and ".join(f"{part.direct[0].name}.{name}" for part in found[:2] if part.direct)
                raise self.error(f"the column {name!r} is in more than one table: {both}", node)
            if found:
                return found[0]
            level = level.outer
        sentence, like = names.missing(scope, qualifier, name)
        raise self.error(sentence, node, like)

    def _literal(self, node: exp.Expr, scope: Scope) -> Expression:
        if node.args.get("is_string"):
            return Expression(text(node.this), Column("text", Datatype.UNICODE_CHAR, "*"))
        try:
            value = float(node.this)
        except ValueError as error:
            raise self.error(f"{node.this[:40]!r} is no number", node) from error
        if node.this.isdigit() and int(node.this) < 2**63:
            return Expression(node.this, Column("number", Datatype.INT if value < 2**31 else Datatype.LONG), constant=value)
        if value == float("inf"):
            raise self.error("a number is too large", node)
        return Expression(number(value), Column("number", Datatype.DOUBLE), constant=value)

    def _hexadecimal(self, node: exp.Expr, scope: Scope) -> Expression:
        try:
            value = int(node.this, 16)
        except ValueError:
            value = 1 << 63
        if value >= 1 << 63:
            raise self.error("a hexadecimal number has at most 63 bits", node)
        return Expression(str(value), Column("number", Datatype.LONG if value >= 1 << 31 else Datatype.INT), constant=float(value))

    def _null(self, node: exp.Expr, scope: Scope) -> Expression:
        return Expression("NULL", Column("null", Datatype.UNICODE_CHAR, "*"))

    def _boolean(self, node: exp.Expr, scope: Scope) -> Expression:
        return Expression("TRUE" if node.this else "FALSE", _BOOLEAN)

    def _paren(self, node: exp.Expr, scope: Scope) -> Expression:
        found = self.value(node.this, scope)
        return replace(found, sql=f"({found.sql})")

    def _negative(self, node: exp.Expr, scope: Scope) -> Expression:
        part = self.plain(node.this, scope)
        self._numeric(part, node)
        constant = None if part.constant is None else -part.constant
        column = replace(part.column, ucd=None, description="")
        return replace(self._made(f"(- {part.sql})", column, [part]), constant=constant)

    def _numeric(self, part: Expression, node: exp.Expr) -> None:
        if part.is_condition or (part.column.datatype in TEXTS and part.sql != "NULL"):
            raise self.error("only numbers can be computed with", node)

    def _not(self, node: exp.Expr, scope: Scope) -> Expression:
        part = self.condition(node.this, scope)
        return self._truth(f"(NOT {part.sql})", [part])

    def _both(self, node: exp.Expr, scope: Scope) -> Expression:
        word = " AND " if isinstance(node, exp.And) else " OR "
        parts = [self.condition(part, scope) for part in _chain(node, type(node))]
        return self._truth(f"({word.join(part.sql for part in parts)})", parts)

    def _compare(self, node: exp.Expr, scope: Scope) -> Expression:
        left, right = self.plain(node.this, scope), self.plain(node.args["expression"], scope)
        sign = _COMPARISONS[type(node)]
        if left.predicate is None and left.distance is None:
            left, right, sign = right, left, _TURNED[sign]
        if left.predicate is not None and right.constant in (0.0, 1.0) and sign in ("=", "<>"):
            return self._told(left, wanted=(right.constant == 1.0) == (sign == "="))
        if left.distance is not None and sign in ("<", "<="):
            sql, match = geometry.within(*left.distance, right, sign)
            return replace(self._truth(self._near(sql, match), [left, right]), match=match)
        self._comparable(left, right, node)
        return self._truth(f"({left.sql} {sign} {right.sql})", [left, right])

    def _comparable(self, left: Expression, right: Expression, node: exp.Expr) -> None:
        kinds = left.column.datatype, right.column.datatype
        one_is_text = (kinds[0] in TEXTS) != (kinds[1] in TEXTS)
        if one_is_text and "NULL" not in (left.sql, right.sql) and Datatype.BOOLEAN not in kinds:
            raise self.error("a text is compared with a number; write texts in single quotes and numbers without, or CAST one", node)

    def _told(self, part: Expression, *, wanted: bool) -> Expression:
        if not wanted:
            return self._truth(f"(NOT {part.predicate})", [part])
        return replace(self._truth(self._near(part.predicate or "", part.match), [part]), match=part.match)

    def _near(self, sql: str, match: Match | None) -> str:
        """Return a condition on a position with the ranges of its table's order, where the other side is written out."""
        if match is None:
            return sql
        for point, region in ((match.left, match.right), (match.right, match.left)):
            alias = main_position(*point.parts) if point.kind == "POINT" else None
            known = geometry.constants(region)
            ranges = _ranges(alias, region, known, match.radius) if alias and known else None
            if ranges:
                return f"({ranges} AND {sql})"
        return sql

    def _calculate(self, node: exp.Expr, scope: Scope) -> Expression:
        sign = _ARITHMETIC[type(node)]
        left, right = self.plain(node.this, scope), self.plain(node.args["expression"], scope)
        self._numeric(left, node)
        self._numeric(right, node)
        kinds = [left.column.datatype, right.column.datatype]
        whole = all(kind in WHOLE for kind in kinds)
        datatype = Datatype.LONG if whole else Datatype.DOUBLE
        unit = left.column.unit if sign in "+-" and left.column.unit == right.column.unit else None
        column = Column("value", datatype, unit=unit)
        first = f"CAST({left.sql} AS {'BIGINT' if whole else 'DOUBLE'})"
        sign = "//" if whole and sign == "/" else sign
        made = self._made(f"({first} {sign} {right.sql})", column, [left, right])
        return replace(made, constant=_folded(sign, left.constant, right.constant))

    def _bits(self, node: exp.Expr, scope: Scope) -> Expression:
        parts = [self.plain(node.this, scope), self.plain(node.args["expression"], scope)]
        self._whole(parts, node)
        form = _BITS[type(node)].format(*(f"CAST({part.sql} AS BIGINT)" for part in parts))
        return self._made(form, Column("value", Datatype.LONG), parts)

    def _complement(self, node: exp.Expr, scope: Scope) -> Expression:
        part = self.plain(node.this, scope)
        self._whole([part], node)
        return self._made(f"(~ CAST({part.sql} AS BIGINT))", Column("value", Datatype.LONG), [part])

    def _whole(self, parts: list[Expression], node: exp.Expr) -> None:
        if any(part.column.datatype not in WHOLE for part in parts):
            raise self.error("bits are those of whole numbers", node)

    def _between(self, node: exp.Expr, scope: Scope) -> Expression:
        parts = [self.plain(node.args[name], scope) for name in ("this", "low", "high")]
        for part in parts[1:]:
            self._comparable(parts[0], part, node)
        return self._truth(f"({parts[0].sql} BETWEEN {parts[1].sql} AND {parts[2].sql})", parts)

    def _in(self, node: exp.Expr, scope: Scope) -> Expression:
        part = self.plain(node.this, scope)
        query = node.args.get("query")
        if query is not None:
            selected = self.queries.subquery(query, scope)
            if len(selected.columns) != 1:
                raise self.error("a subquery of IN has one column", query)
            return self._truth(f"({part.sql} IN ({selected.sql}))", [part])
        listed = [self.plain(item, scope) for item in node.expressions or [None]]
        for item in listed:
            self._comparable(part, item, node)
        return self._truth(f"({part.sql} IN ({', '.join(item.sql for item in listed)}))", [part, *listed])

    def _exists(self, node: exp.Expr, scope: Scope) -> Expression:
        return self._truth(f"EXISTS ({self.queries.subquery(node.this, scope).sql})", [])

    def _scalar(self, node: exp.Expr, scope: Scope) -> Expression:
        selected = self.queries.subquery(node, scope)
        if len(selected.columns) != 1:
            raise self.error("a subquery that stands for a value has one column", node)
        return Expression(f"({selected.sql})", selected.columns[0])

    def _like(self, node: exp.Expr, scope: Scope) -> Expression:
        parts = [self.plain(node.this, scope), self.plain(node.args["expression"], scope)]
        if any(part.column.datatype not in TEXTS for part in parts):
            raise self.error("LIKE compares texts", node)
        word = ("NOT " if node.args.get("negate") else "") + ("ILIKE" if isinstance(node, exp.ILike) else "LIKE")
        return self._truth(f"({parts[0].sql} {word} {parts[1].sql})", parts)

    def _is(self, node: exp.Expr, scope: Scope) -> Expression:
        if not isinstance(node.args["expression"], exp.Null):
            raise self.error("IS is followed by NULL or NOT NULL", node)
        part = self.value(node.this, scope)
        return self._truth(f"({part.sql} IS NULL)", [part])

    def _case(self, node: exp.Expr, scope: Scope) -> Expression:
        subject = self.plain(node.this, scope) if node.this is not None else None
        parts, values, sql = [subject] if subject else [], [], [subject.sql] if subject else []
        for branch in node.args["ifs"]:
            self.check(branch, _KNOWN[exp.If])
            when = self.plain(branch.this, scope) if subject else self.condition(branch.this, scope)
            then = self.plain(branch.args["true"], scope)
            sql.append(f"WHEN {when.sql} THEN {then.sql}")
            parts.extend((when, then))
            values.append(then)
        if node.args.get("default") is not None:
            values.append(self.plain(node.args["default"], scope))
            parts.append(values[-1])
            sql.append(f"ELSE {values[-1].sql}")
        column = next((value.column for value in values if value.sql != "NULL"), values[0].column)
        datatype = widest([value.column.datatype for value in values if value.sql != "NULL"] or [column.datatype])
        column = replace(column, name="case", datatype=datatype, indexed=False, std=False)
        return self._made(f"(CASE {' '.join(sql)} END)", column, parts)

    def _joined(self, node: exp.Expr, scope: Scope) -> Expression:
        parts = [self.plain(part, scope) for part in (node.expressions or [node.this, node.args["expression"]])]
        if any(part.column.datatype not in TEXTS for part in parts):
            raise self.error("|| joins texts; CAST numbers AS VARCHAR", node)
        column = Column("text", Datatype.UNICODE_CHAR, "*")
        return self._made(f"({' || '.join(part.sql for part in parts)})", column, parts)

    def _call(self, node: exp.Expr, scope: Scope) -> Expression:
        name = str(node.this if isinstance(node.this, str) else node.this.name).upper()
        if name == "CAST":
            return self._cast(node, scope)
        function = FUNCTIONS.get(name)
        if function is None or not isinstance(node.this, str):
            raise self.error(f"there is no function {name[:60]}", node, nearest(name, FUNCTIONS))
        arguments = node.expressions
        distinct = len(arguments) == 1 and isinstance(arguments[0], exp.Distinct)
        if distinct:
            self.check(arguments[0], _KNOWN[exp.Distinct])
            arguments = arguments[0].expressions
        if not function.least <= len(arguments) <= function.most or (distinct and not function.aggregate):
            raise self.error(f"{name} takes {_count(function.least, function.most)}", node)
        if name == "COUNT" and isinstance(arguments[0], exp.Star):
            self.check(arguments[0], _KNOWN[exp.Star])
            return Expression("count(*)", Column("count", Datatype.LONG, ucd="meta.number"), aggregates=True)
        parts = [self.value(argument, scope) for argument in arguments]
        if distinct:
            parts[0] = replace(parts[0], sql=f"DISTINCT {parts[0].sql}")
        return function.build(parts)

    def _cast(self, node: exp.Expr, scope: Scope) -> Expression:
        part = self.plain(node.expressions[0], scope)
        wanted = node.expressions[1].this
        kind = wanted.split("(")[0].strip()
        if kind not in _TYPES:
            raise self.error(f"ADQL cannot CAST to {wanted[:40]}", node, nearest(kind, _TYPES))
        name, datatype, arraysize = _TYPES[kind]
        column = replace(part.column, datatype=datatype, arraysize=arraysize, xtype="timestamp" if kind == "TIMESTAMP" else None)
        length = wanted.partition("(")[2].rstrip(") ").strip()
        sql = f"CAST({part.sql} AS {name})"
        if datatype in WHOLE and part.column.datatype not in WHOLE | TEXTS:
            sql = f"CAST(trunc({part.sql}) AS {name})"  # SQL rounds, ADQL 2.1 (4.5.1) leaves it open; readers expect C
        if length:
            if not length.isdigit() or name != "VARCHAR":
                raise self.error(f"ADQL cannot CAST to {wanted[:40]}", node)
            sql, column = f"left({sql}, {int(length)})", replace(column, arraysize=f"{int(length)}{'*' * (kind == 'VARCHAR')}")
        time = None if datatype in TEXTS else column.time
        return self._made(sql, replace(column, indexed=False, std=False, time=time), [part])


def _ranges(alias: str, region: Shape, known: list[float], radius: float) -> str | None:
    if region.kind == "POINT":
        return cones.cone(alias, known[0], known[1], radius)
    shape = regions.Polygon(known)
    size = float(regions.separation(shape.middle, shape.vertices).max())
    return cones.polygon(alias, list(zip(known[::2], known[1::2], strict=True)), size)


def _chain(node: exp.Expr | None, kind: type[exp.Expr]) -> list[exp.Expr]:
    """Return the parts of `a AND b AND …` without a recursion for each."""
    parts: list[exp.Expr] = []
    waiting = [node] if node is not None else []
    while waiting:
        part = waiting.pop()
        if type(part) is kind:
            waiting.extend((part.args["expression"], part.this))
        elif isinstance(part, exp.Paren) and kind is exp.And and type(part.this) is kind:
            waiting.append(part.this)
        else:
            parts.append(part)
    return parts


def _folded(sign: str, left: float | None, right: float | None) -> float | None:
    if left is None or right is None or (sign in ("/", "//") and not right):
        return None
    if sign in ("/", "//"):
        return left / right if sign == "/" else float(int(left / right))
    return {"+": left + right, "-": left - right, "*": left * right}[sign]


def _count(least: int, most: int) -> str:
    return f"{least} to {most} arguments" if least != most else "1 argument" if least == 1 else f"{least} arguments"
