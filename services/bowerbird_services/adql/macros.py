"""The SQL functions of our own that a translated query calls; an ADQL query cannot name them."""

import duckdb

from bowerbird_services.adql import frames, regions

# Haversine: exact for short distances, where the arc cosine loses all digits; with its complement also near the antipode.
# The cells of `matches`: a zone has as many as circles allow that touch two at most, by (1 - v)(1 - 0.2338 v), which is
# nowhere above the cosine of √v quarter turns; a cosine would take longer than all else. NaN and beyond become NULL.
# A position that is none, such as one beyond a pole, is NULL here, whether the order of the sky has dropped its row before or not.
_MACROS = """
adql_is_place(ra, dec) AS abs(dec) <= 90e0 AND abs(ra) < 1e300;
adql_haversine(ra1, dec1, ra2, dec2) AS CASE WHEN adql_is_place(ra1, dec1) AND adql_is_place(ra2, dec2)
    THEN pow(cos(radians(ra2 - ra1) / 2) * sin(radians(dec2 - dec1) / 2), 2)
        + pow(sin(radians(ra2 - ra1) / 2) * cos(radians(dec2 + dec1) / 2), 2) END;
adql_rest(ra1, dec1, ra2, dec2) AS pow(cos(radians(ra2 - ra1) / 2) * cos(radians(dec2 - dec1) / 2), 2)
    + pow(sin(radians(ra2 - ra1) / 2) * sin(radians(dec2 + dec1) / 2), 2);
adql_distance(ra1, dec1, ra2, dec2) AS
    degrees(2 * atan2(sqrt(adql_haversine(ra1, dec1, ra2, dec2)), sqrt(adql_rest(ra1, dec1, ra2, dec2))));
adql_turn(ra) AS ra / 360e0 - floor(ra / 360e0);
adql_zone(dec, h) AS floor((dec + 90e0) / h);
adql_floor(n) AS CASE WHEN n >= 1e0 THEN floor(n) ELSE 1e0 END;
adql_ring(v, cells, lost) AS adql_floor(cells * (1e0 - v) * (1e0 - 0.2338e0 * v) - lost);
adql_width(z, h, middle, edge, cells, lost) AS
    adql_ring((abs(z * h - middle) + edge) * (abs(z * h - middle) + edge), cells, lost);
adql_cell(z, n, turn) AS TRY_CAST(z * 16777216e0 + floor(turn * n * 0.999999999999999e0) AS BIGINT);
adql_copy(z, n, step) AS TRY_CAST(z * 16777216e0 + step - n * floor(step / n) AS BIGINT);
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
