"""The SQL functions of our own that a translated query calls; an ADQL query cannot name them."""

import duckdb

from bowerbird_services.adql import frames, regions

# Haversine: exact for short distances, where the arc cosine loses all digits; with its complement also near the antipode.
_MACROS = """
adql_haversine(ra1, dec1, ra2, dec2) AS pow(cos(radians(ra2 - ra1) / 2) * sin(radians(dec2 - dec1) / 2), 2)
    + pow(sin(radians(ra2 - ra1) / 2) * cos(radians(dec2 + dec1) / 2), 2);
adql_rest(ra1, dec1, ra2, dec2) AS pow(cos(radians(ra2 - ra1) / 2) * cos(radians(dec2 - dec1) / 2), 2)
    + pow(sin(radians(ra2 - ra1) / 2) * sin(radians(dec2 + dec1) / 2), 2);
adql_distance(ra1, dec1, ra2, dec2) AS
    degrees(2 * atan2(sqrt(adql_haversine(ra1, dec1, ra2, dec2)), sqrt(adql_rest(ra1, dec1, ra2, dec2))));
adql_wrap(ra) AS ra - 360 * floor(ra / 360);
adql_zone(dec, h) AS TRY_CAST(floor((dec + 90) / h) AS BIGINT);
adql_width(z, h) AS CAST(greatest(1, floor(360 * cos(radians(least(90, greatest(abs(z * h - 90), abs((z + 1) * h - 90))))) / h)) AS BIGINT);
adql_step(ra, n) AS TRY_CAST(floor(ra / 360 * n) AS BIGINT);
adql_cell(ra, dec, h) AS adql_zone(dec, h) * 16777216
    + least(adql_step(adql_wrap(ra), adql_width(adql_zone(dec, h), h)), adql_width(adql_zone(dec, h), h) - 1);
adql_reach(dec, r) AS CASE WHEN abs(dec) + r >= 89.999999 THEN 180::DOUBLE
    ELSE degrees(asin(least(1, sin(radians(r)) / cos(radians(dec))))) * 1.000000001 + 1e-12 END;
adql_sqrt(x) AS CASE WHEN x >= 0 THEN sqrt(x) END;
adql_ln(x) AS CASE WHEN x > 0 THEN ln(x) END;
adql_log10(x) AS CASE WHEN x > 0 THEN log10(x) END;
adql_acos(x) AS CASE WHEN abs(x) <= 1 THEN acos(x) END;
adql_asin(x) AS CASE WHEN abs(x) <= 1 THEN asin(x) END;
adql_mjd(t) AS epoch_us(CAST(t AS TIMESTAMP)) / 86400e6 + 40587e0;
adql_truncate(x, n) AS CASE WHEN n = 0 THEN trunc(x) ELSE trunc(x * pow(10e0, n)) / pow(10e0, n) END;
adql_round(x, n) AS CASE WHEN n = 0 THEN round(x) ELSE round(x * pow(10e0, n)) / pow(10e0, n) END;
adql_hasword(haystack, needle) AS CAST(list_has_all(
    regexp_extract_all(lower(haystack), '[\\p{L}\\p{N}]+'), regexp_extract_all(lower(needle), '[\\p{L}\\p{N}]+'))
    AND len(regexp_extract_all(lower(needle), '[\\p{L}\\p{N}]+')) > 0 AS INTEGER);
adql_hashlist_has(hashlist, item) AS CAST(list_contains(string_split(lower(hashlist), '#'), lower(item)) AS INTEGER)
"""


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a database all that the SQL of a translated query calls; its cursors have it too."""
    for macro in _MACROS.strip().split(";"):
        connection.execute(f"CREATE OR REPLACE MACRO {macro.strip()}")
    regions.register(connection)
    frames.register(connection)
