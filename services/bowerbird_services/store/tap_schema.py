"""TAP_SCHEMA (TAP 1.1, section 4): the tables that describe all tables, made anew for each identity."""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
from bowerbird.votable.field import Datatype

from bowerbird_services.store.columns import arrow_schema, string
from bowerbird_services.store.names import delimited
from bowerbird_services.tables import Column, Table

SCHEMA = "tap_schema"
SCHEMAS = {SCHEMA: "The tables and columns that can be queried here"}


def _integer(name: str, description: str) -> Column:
    return Column(name, Datatype.INT, description=description, std=True)


def _table(name: str, description: str, *columns: Column) -> Table:
    return Table(SCHEMA, name, columns, description=description)


TABLES = (
    _table(
        "schemas",
        "The schemas that can be queried here",
        string("schema_name", "name of the schema"),
        string("utype", "utype of the schema, where a data model gives one"),
        string("description", "what the schema has"),
        _integer("schema_index", "place of the schema in a list"),
    ),
    _table(
        "tables",
        "The tables that can be queried here",
        string("schema_name", "the schema of the table"),
        string("table_name", "name of the table as a query writes it"),
        string("table_type", "table or view"),
        string("utype", "utype of the table, where a data model gives one"),
        string("description", "what the table has"),
        _integer("table_index", "place of the table in a list"),
    ),
    _table(
        "columns",
        "The columns of all tables",
        string("table_name", "the table of the column"),
        string("column_name", "name of the column as a query writes it"),
        string("datatype", "VOTable datatype"),
        string("arraysize", "VOTable arraysize"),
        string("xtype", "DALI xtype"),
        _integer("size", "length of an array; use arraysize"),
        string("description", "what the column has"),
        string("utype", "utype of the column, where a data model gives one"),
        string("unit", "unit of the values, as a VOUnit"),
        string("ucd", "UCD of the values"),
        _integer("indexed", "1 where a condition on the column is fast"),
        _integer("principal", "1 where most people want the column"),
        _integer("std", "1 where a standard defines the column"),
        _integer("column_index", "place of the column in its table"),
    ),
    _table(
        "keys",
        "Which columns of a table point to another's",
        string("key_id", "name of the key"),
        string("from_table", "the table that points"),
        string("target_table", "the table that it points to"),
        string("description", "what the key means"),
        string("utype", "utype of the key"),
    ),
    _table(
        "key_columns",
        "The columns of each key",
        string("key_id", "name of the key"),
        string("from_column", "the column that points"),
        string("target_column", "the column that it points to"),
    ),
)
# TAP 1.1's own foreign keys: (from table, from column, target table, target column).
KEYS = (
    ("tables", "schema_name", "schemas", "schema_name"),
    ("columns", "table_name", "tables", "table_name"),
    ("keys", "from_table", "tables", "table_name"),
    ("keys", "target_table", "tables", "table_name"),
    ("key_columns", "key_id", "keys", "key_id"),
)


def rows(tables: Sequence[Table], schemas: Mapping[str, str]) -> dict[str, pa.Table]:
    """Return the rows of every table of TAP_SCHEMA, by its view, for somebody who sees these tables and schemas."""
    made: dict[str, Iterable[Sequence[object]]] = {
        "schemas": [(name, None, about, number) for number, (name, about) in enumerate(schemas.items(), start=1)],
        "tables": [_table_row(table, number) for number, table in enumerate(tables, start=1)],
        "columns": [_column_row(table, column, number) for table in tables for number, column in enumerate(table.columns, start=1)],
        "keys": [(str(n), f"{SCHEMA}.{f}", f"{SCHEMA}.{t}", None, None) for n, (f, _, t, _) in enumerate(KEYS, start=1)],
        "key_columns": [(str(n), f, t) for n, (_, f, _, t) in enumerate(KEYS, start=1)],
    }
    return {table.view: _arrow(table, made[table.name]) for table in TABLES}


def _arrow(table: Table, rows: Iterable[Sequence[object]]) -> pa.Table:
    names = [column.name for column in table.columns]
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=arrow_schema(table.columns))


def _table_row(table: Table, number: int) -> tuple[object, ...]:
    return (table.schema, table_name(table), "table", table.utype, table.description or table.title or None, number)


def table_name(table: Table) -> str:
    """Return the name of a table as a query writes it."""
    return f"{delimited(table.schema)}.{delimited(table.name)}"


def _column_row(table: Table, column: Column, number: int) -> tuple[object, ...]:
    # TAP 1.1, section 4.3: the number in an arraysize of one axis, whether that is open or not.
    length = (column.arraysize or "").removesuffix("*")
    size = int(length) if length.isdigit() else None
    about = (column.description or None, column.utype, column.unit, column.ucd)
    flags = (int(column.indexed), int(column.principal), int(column.std))
    kind = (column.datatype.value, column.arraysize, column.xtype)
    return (table_name(table), delimited(column.name), *kind, size, *about, *flags, number)
