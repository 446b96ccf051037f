"""ADQL 2.1: parsed by a dialect of its own, checked against the tables of one identity, translated for DuckDB."""

from bowerbird_services.adql.errors import ADQLError
from bowerbird_services.adql.macros import register
from bowerbird_services.adql.query import Feature, Query, features, translate

__all__ = ["ADQLError", "Feature", "Query", "features", "register", "translate"]
