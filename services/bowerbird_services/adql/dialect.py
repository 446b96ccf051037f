"""ADQL 2.1 as a dialect of sqlglot: its words and no others, so that most of SQL is not even read."""

import re
from typing import Any, ClassVar

from sqlglot import exp, tokens
from sqlglot import parser as grammar
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from bowerbird_services.adql.errors import ADQLError, nearest

MAX_CHARACTERS = 1_000_000
MAX_NESTING = 24
MAX_JOINS = 32
MAX_TOKENS = 250_000
_REGULAR = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WORDS = """
    ALL ALIAS:AS AND ANY ASC BETWEEN CASE CROSS DESC DISTINCT ELSE END EXCEPT EXISTS FALSE FROM FULL GROUP_BY:GROUP~BY HAVING ILIKE
    IN INNER INTERSECT IS JOIN LEFT LIKE NATURAL NOT NULL OFFSET ON OR ORDER_BY:ORDER~BY OUTER RIGHT SELECT
    THEN TOP TRUE UNION USING WHEN WHERE WITH
"""


def _keywords() -> dict[str, TokenType]:
    words = {}
    for entry in _WORDS.split():
        kind, _, word = entry.partition(":")
        words[(word or kind).replace("~", " ")] = TokenType[kind]
    symbols = {"<=": "LTE", ">=": "GTE", "<>": "NEQ", "!=": "NEQ", "||": "DPIPE"}
    return words | {symbol: TokenType[kind] for symbol, kind in symbols.items()}


def _cast(parser: Any) -> exp.Expr:
    """Read `value AS type` as two arguments, the type as one text, since no type is a word of its own here."""
    value = parser._parse_disjunction()
    if not parser._match(TokenType.ALIAS):
        parser.raise_error("Expected AS")
    words: list[str] = []
    while parser._curr and parser._curr.token_type is not TokenType.R_PAREN and len(words) < 5:  # noqa: PLR2004  DOUBLE PRECISION, VARCHAR(n)
        words.append(parser._curr.text)
        parser._advance()
        if words[-1] == "(":
            words.append(parser._curr.text if parser._curr else "")
            parser._advance()
            if not parser._match(TokenType.R_PAREN):
                parser.raise_error("Expected )")
            words.append(")")
    call: exp.Expr = parser.expression(exp.Anonymous(this="CAST", expressions=[value, exp.Literal.string(" ".join(words).upper())]))
    return call


class ADQL(Dialect):
    """Section 2 of ADQL 2.1. Every function is read as a name with arguments; what it means is said in `functions`."""

    LOG_BASE_FIRST = None
    NULL_ORDERING = "nulls_are_last"

    class Tokenizer(tokens.Tokenizer):
        """The words of a query."""

        QUOTES: ClassVar[list[Any]] = ["'"]
        IDENTIFIERS: ClassVar[list[Any]] = ['"']
        STRING_ESCAPES: ClassVar[list[str]] = ["'"]
        IDENTIFIER_ESCAPES: ClassVar[list[str]] = ['"']
        HEX_STRINGS: ClassVar[list[Any]] = [("0x", ""), ("0X", "")]
        COMMENTS: ClassVar[list[Any]] = ["--", ("/*", "*/")]
        KEYWORDS: ClassVar[dict[str, TokenType]] = _keywords()
        SINGLE_TOKENS: ClassVar[dict[str, TokenType]] = {
            symbol: kind for symbol, kind in tokens.Tokenizer.SINGLE_TOKENS.items() if symbol in "().,+-*/=<>&|^~;'\""
        }

    class Parser(grammar.Parser):
        """The grammar, less what reads SQL's own functions."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {"CASE": lambda self: self._parse_case()}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {"CAST": _cast}
        SUBQUERY_PREDICATES: ClassVar[dict[Any, Any]] = {TokenType.EXISTS: exp.Exists}


def parse(text: str) -> exp.Expr:
    """Return the tree of one query, or raise ADQLError with its place."""
    if len(text) > MAX_CHARACTERS:
        raise ADQLError(f"a query has at most {MAX_CHARACTERS} characters; upload long lists as a table")
    found = _tokens(text)
    try:
        trees = ADQL.Parser(dialect=ADQL()).parse(found, text)
    except ParseError as error:
        raise _in_words(error, text) from error
    except RecursionError as error:
        raise ADQLError("the query is nested too deeply") from error
    if len(trees) != 1 or trees[0] is None:
        raise ADQLError("a query is one SELECT")
    return trees[0]


def place(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, from 1, of a character."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _tokens(text: str) -> list[Token]:
    try:
        found = ADQL.Tokenizer(dialect=ADQL()).tokenize(text)
    except TokenError as error:
        raise ADQLError("a text in quotes does not end", *place(text, len(text.rstrip()))) from error
    while found and found[-1].token_type is TokenType.SEMICOLON:
        found.pop()
    if not found:
        raise ADQLError("the query is empty")
    if len(found) > MAX_TOKENS:
        raise ADQLError(f"a query has at most {MAX_TOKENS} words; upload long lists as a table")
    _check(found, text)
    return found


_OPENING = {TokenType.L_PAREN: 1, TokenType.CASE: 1, TokenType.R_PAREN: -1, TokenType.END: -1}


def _check(found: list[Token], text: str) -> None:
    depth = joins = 0
    for token in found:
        depth += _OPENING.get(token.token_type, 0)
        joins += token.token_type is TokenType.JOIN
        fault = _fault(token, depth, joins)
        if fault:
            raise ADQLError(fault, *place(text, token.start))
    if depth > 0:
        raise ADQLError("a parenthesis is not closed", *place(text, len(text.rstrip())))


def _fault(token: Token, depth: int, joins: int) -> str | None:
    if token.token_type is TokenType.SEMICOLON:
        return "a query is one statement, without a semicolon"
    if token.token_type is TokenType.VAR and not _REGULAR.fullmatch(token.text):
        return f"{token.text[:40]!r} is no name in ADQL"
    if depth > MAX_NESTING:
        return "the query is nested too deeply"
    return f"a query has at most {MAX_JOINS} joins" if joins > MAX_JOINS else None


def _in_words(error: ParseError, text: str) -> ADQLError:
    told = error.errors[0] if error.errors else {}
    line, column = int(told.get("line") or 1), int(told.get("col") or 1)
    word = str(told.get("highlight") or "")
    column = max(1, column - len(word) + 1)
    first = text.split(None, 1)[0] if text.split() else ""
    if first.upper() not in {"SELECT", "WITH"} and not first.startswith(("(", "-", "/")):
        told_first = f"ADQL only reads: a query begins with SELECT or WITH, not with {first[:40]!r}"
        return ADQLError(told_first, 1, 1, nearest(first, ["SELECT", "WITH"]))
    if re.search(r"\blimit\s+\d", text, re.IGNORECASE):
        return ADQLError("ADQL limits rows with SELECT TOP n", line, column, "TOP")
    return ADQLError(f"the query is no ADQL at {word[:40]!r}" if word else "the query ends too early", line, column)
