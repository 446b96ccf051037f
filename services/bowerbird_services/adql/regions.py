"""Regions on the sphere as flat lists of degrees: a point has two numbers, a circle three, a polygon six or more.

The edges of a polygon are great circles; it must fit into a hemisphere, and is what lies on its smaller side.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

Vector = np.ndarray
_POINT, _CIRCLE, _POLYGON = 2, 3, 6
_POLE = 90.0
_STEPS = 500
# In radians: what rounding leaves of nothing, far below what any position is known to.
_NOTHING = 1e-15


def _cross(one: Vector, other: Vector) -> Vector:
    """Return what np.cross does of vectors along the last axis, in a fraction of its time where these are few."""
    made = np.empty(np.broadcast_shapes(one.shape, other.shape))
    for axis in range(3):
        left, right = (axis + 1) % 3, (axis + 2) % 3
        made[..., axis] = one[..., left] * other[..., right] - one[..., right] * other[..., left]
    return made


def vectors(ra: Any, dec: Any) -> Vector:
    """Return unit vectors of positions in degrees."""
    ra, dec = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    found: Vector = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    return found


def positions(vector: Vector) -> tuple[np.ndarray, np.ndarray]:
    """Return right ascension in [0, 360) and declination of vectors of any length."""
    ra = np.degrees(np.arctan2(vector[..., 1], vector[..., 0])) % 360
    return ra, np.degrees(np.arctan2(vector[..., 2], np.hypot(vector[..., 0], vector[..., 1])))


def separation(first: Vector, second: Vector) -> np.ndarray:
    """Return angles in degrees, exact for short ones and near the antipode."""
    cross = np.linalg.norm(_cross(first, second), axis=-1)
    angle: np.ndarray = np.degrees(np.arctan2(cross, np.sum(first * second, axis=-1)))
    return angle


def _middle(vertices: Vector) -> Vector:
    """Return a unit vector less than a quarter of a turn from all vertices; where that is not found, they fit into no hemisphere."""
    middle = vertices.sum(axis=0)
    for _ in range(_STEPS):
        depths = vertices @ middle
        if depths.min() > 0:
            break
        # A perceptron: it ends after 1 / sin² of the room that the vertices leave in their hemisphere.
        middle = middle + vertices[depths.argmin()]
    length = np.linalg.norm(middle)
    found: Vector = middle / length if length > 0 else vertices[0]
    return found


def _beyond(numbers: np.ndarray) -> np.ndarray:
    """Return on which side of an edge something lies: -1, 1, or 0 on it."""
    found: np.ndarray = np.sign(np.where(abs(numbers) <= _NOTHING, 0.0, numbers))
    return found


class Polygon:
    """A polygon, seen from its middle in the projection that makes great circles straight."""

    def __init__(self, numbers: Sequence[float]) -> None:
        pairs = np.asarray(numbers, float).reshape(-1, 2)
        self.vertices = vectors(pairs[:, 0], pairs[:, 1])
        self.middle = _middle(self.vertices)
        self.fits = bool((self.vertices @ self.middle > 0).all())
        helper = np.array([1.0, 0, 0]) if abs(self.middle[0]) < 0.5 else np.array([0, 1.0, 0])  # noqa: PLR2004
        self.east = _cross(helper, self.middle)
        self.east /= np.linalg.norm(self.east)
        self.north = _cross(self.middle, self.east)
        if self.fits:
            self.x, self.y = self._flat(self.vertices)

    def _flat(self, points: Vector) -> tuple[np.ndarray, np.ndarray]:
        depth = points @ self.middle
        return points @ self.east / depth, points @ self.north / depth

    def contains(self, points: Vector) -> np.ndarray:
        """Return which points lie inside or on the edge (ADQL 2.1, section 4.2.7)."""
        points = np.atleast_2d(points)
        front = points @ self.middle > 0
        x, y = self._flat(np.where(front[:, None], points, self.middle))
        inside = np.zeros(len(points), bool)
        for (x1, y1), (x2, y2) in self._edges():
            if y1 != y2:
                crosses = (y1 > y) != (y2 > y)
                inside ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
        found: np.ndarray = inside & front
        others = np.flatnonzero(~found)
        found[others[self._on_edge(points[others])]] = True
        return found

    def _on_edge(self, points: Vector) -> np.ndarray:
        """Return which points lie on an edge, as well as numbers can say it."""
        found = np.zeros(len(points), bool)
        for start, end in zip(self.vertices, np.roll(self.vertices, -1, axis=0), strict=True):
            pole = _cross(start, end)
            length = np.linalg.norm(pole)
            if length > 0:
                pole /= length
                near = np.flatnonzero(abs(points @ pole) <= _NOTHING)
                place = points[near]
                between = (place @ _cross(pole, start) >= -_NOTHING) & (place @ _cross(end, pole) >= -_NOTHING)
                found[near[between]] = True
        return found

    def _edges(self) -> list[tuple[tuple[float, float], tuple[float, float]]]:
        corners = list(zip(self.x.tolist(), self.y.tolist(), strict=True))
        return list(zip(corners, corners[1:] + corners[:1], strict=True))

    def edge_distance(self, point: Vector) -> float:
        """Return the degrees from a point to the nearest place on the edge."""
        ends = np.roll(self.vertices, -1, axis=0)
        nearest = separation(self.vertices, point).min()
        poles = _cross(self.vertices, ends)
        length = np.linalg.norm(poles, axis=1)
        for start, end, pole, norm in zip(self.vertices, ends, poles, length, strict=True):
            if norm == 0:
                continue
            unit = pole / norm
            beside = np.dot(_cross(unit, start), point) > 0 and np.dot(_cross(end, unit), point) > 0
            if beside:
                nearest = min(nearest, abs(math.degrees(math.asin(max(-1.0, min(1.0, float(unit @ point)))))))
        return float(nearest)

    def crosses(self, other: "Polygon") -> bool:
        """Return whether an edge of one cuts an edge of the other."""
        a, b = self.vertices, np.roll(self.vertices, -1, axis=0)
        c, d = other.vertices, np.roll(other.vertices, -1, axis=0)
        p, q = _cross(a, b), _cross(c, d)
        sides = _beyond(p @ c.T) * _beyond(p @ d.T) < 0
        others = _beyond(a @ q.T) * _beyond(b @ q.T) < 0
        same = ((a + b) @ (c + d).T) > 0
        return bool((sides & others & same).any())

    def area(self) -> float:
        """Return square degrees: the excess over the plane of the triangles from the first vertex, with their signs."""
        first, seconds, thirds = self.vertices[0], self.vertices[1:-1], self.vertices[2:]
        volume = np.einsum("j,ij->i", first, _cross(seconds, thirds))
        below = 1 + seconds @ first + thirds @ first + np.einsum("ij,ij->i", seconds, thirds)
        return abs(float(2 * np.arctan2(volume, below).sum())) * math.degrees(1) ** 2

    def centroid(self) -> tuple[float, float]:
        """Return the middle of the surface."""
        ends = np.roll(self.vertices, -1, axis=0)
        poles = _cross(self.vertices, ends)
        length = np.linalg.norm(poles, axis=1)
        angle = np.radians(separation(self.vertices, ends))
        total = (poles * np.divide(angle, length, out=np.zeros_like(angle), where=length > 0)[:, None]).sum(axis=0)
        if total @ self.middle < 0:
            total = -total
        ra, dec = positions(total if np.linalg.norm(total) > 0 else self.middle)
        return float(ra), float(dec)


def contains(first: Sequence[float], second: Sequence[float]) -> bool | None:
    """Return whether the second region contains the first; None where one of them is none."""
    if len(second) == _POINT:
        return len(first) == _POINT and bool(separation(vectors(*first), vectors(*second)) == 0)
    if len(second) == _CIRCLE:
        return _circle_contains(second, first)
    polygon = Polygon(second)
    if not polygon.fits:
        return None
    if len(first) == _POINT:
        return bool(polygon.contains(vectors(*first))[0])
    if len(first) == _CIRCLE:
        centre = vectors(*first[:2])
        return bool(polygon.contains(centre)[0]) and polygon.edge_distance(centre) >= first[2]
    inner = Polygon(first)
    return bool(polygon.contains(inner.vertices).all()) and not polygon.crosses(inner)


def _circle_contains(circle: Sequence[float], inner: Sequence[float]) -> bool:
    centre = vectors(*circle[:2])
    if len(inner) < _POLYGON:
        radius = inner[2] if len(inner) == _CIRCLE else 0.0
        return bool(separation(centre, vectors(*inner[:2])) + radius <= circle[2])
    return bool((separation(centre, Polygon(inner).vertices) <= circle[2]).all())


def intersects(first: Sequence[float], second: Sequence[float]) -> bool | None:
    """Return whether two regions have a place in common; None where one of them is none."""
    first, second = sorted((first, second), key=len)
    if len(first) == _POINT:
        return contains(first, second)
    if len(second) == _CIRCLE:
        return bool(separation(vectors(*first[:2]), vectors(*second[:2])) <= first[2] + second[2])
    polygon = Polygon(second)
    if not polygon.fits:
        return None
    if len(first) == _CIRCLE:
        centre = vectors(*first[:2])
        return bool(polygon.contains(centre)[0]) or polygon.edge_distance(centre) <= first[2]
    return meet(polygon, Polygon(first))


def meet(first: Polygon, second: Polygon) -> bool | None:
    """Return whether two polygons have a place in common; None where one of them is none."""
    if not (first.fits and second.fits):
        return None
    return first.crosses(second) or bool(first.contains(second.vertices).any() or second.contains(first.vertices).any())


def box(ra: float, dec: float, width: float, height: float) -> list[float] | None:
    """Return the four corners of a box whose sides are great circles across the ends of its arms (ADQL 2.1, 4.2.11)."""
    if not is_region((ra, dec)):
        return None
    middle = vectors(ra, dec)
    turn = math.radians(ra)
    east = np.array([-math.sin(turn), math.cos(turn), 0])
    north = _cross(middle, east)
    x, y = math.tan(math.radians(min(width, 179) / 2)), math.tan(math.radians(min(height, 179) / 2))
    corners = [middle + side * x * east + up * y * north for side, up in ((1, -1), (1, 1), (-1, 1), (-1, -1))]
    return [float(number) for corner in corners for number in positions(corner)]


def parse(region: str) -> list[float] | None:
    """Return the numbers of a region as text (`CIRCLE ICRS 10 20 1`); None where it is none that we know."""
    words = region.replace(",", " ").replace("(", " ").replace(")", " ").split()
    numbers = []
    for word in words[1:]:
        try:
            numbers.append(float(word))
        except ValueError:
            if numbers or word.upper() not in {"ICRS", "UNKNOWNFRAME", "TOPOCENTER", "GEOCENTER", "BARYCENTER", "SPHERICAL2", "J2000"}:
                return None
    kind = words[0].upper() if words else ""
    if not all(map(math.isfinite, numbers)):
        return None
    if kind in {"POINT", "POSITION"} and len(numbers) == _POINT:
        return numbers
    if kind == "CIRCLE" and len(numbers) == _CIRCLE:
        return numbers
    if kind == "BOX" and len(numbers) == 4:  # noqa: PLR2004  position, width, height
        return box(*numbers)
    return numbers if kind == "POLYGON" and len(numbers) >= _POLYGON and len(numbers) % 2 == 0 else None


def area(region: Sequence[float]) -> float | None:
    """Return the square degrees of a region."""
    if len(region) == _CIRCLE:
        return 4 * math.pi * math.sin(math.radians(region[2]) / 2) ** 2 * math.degrees(1) ** 2
    return 0.0 if len(region) == _POINT else Polygon(region).area()


def centroid(region: Sequence[float]) -> list[float]:
    """Return the middle of a region."""
    return list(region[:2]) if len(region) < _POLYGON else list(Polygon(region).centroid())


def is_region(region: Sequence[float | None] | None) -> bool:
    """Return whether numbers are a region: as many as one has, each known, and no declination beyond a pole."""
    if region is None or not (len(region) in (_POINT, _CIRCLE) or (len(region) >= _POLYGON and len(region) % 2 == 0)):
        return False
    numbers = [number for number in region if number is not None and math.isfinite(number)]
    return len(numbers) == len(region) and all(abs(dec) <= _POLE for dec in numbers[1::2])


def _rowwise(function: Callable[..., Any], kind: pa.DataType) -> Callable[..., pa.Array]:
    """Return a function of Arrow columns of regions; each combination of regions is computed once."""

    def columns(*given: Any) -> pa.Array:
        known: dict[Any, Any] = {}
        answers = []
        for row in zip(*(column.to_pylist() for column in given), strict=True):
            key = tuple(tuple(value) if isinstance(value, list) else value for value in row)
            if key not in known:
                there = all(is_region(value) if isinstance(value, list) else value is not None for value in row)
                known[key] = function(*row) if there else None
            answers.append(known[key])
        return pa.array(answers, kind)

    # DuckDB counts the parameters of a function, so each number of them has a function of its own.
    arities: dict[int, Callable[..., pa.Array]] = {
        1: lambda a: columns(a),  # noqa: PLW0108
        2: lambda a, b: columns(a, b),  # noqa: PLW0108
        4: lambda a, b, c, d: columns(a, b, c, d),  # noqa: PLW0108
    }
    return arities[len(inspect.signature(function).parameters)]


def _inside(points: Any, polygons: Any) -> pa.Array:
    """Return which points lie in which polygons, one polygon at a time over all its points."""
    points, polygons = _one(points), _one(polygons)
    pairs = np.full((len(points), 2), np.nan)
    pairs[points.is_valid().to_numpy(zero_copy_only=False)] = points.flatten().to_numpy(zero_copy_only=False).reshape(-1, 2)
    pairs[~(np.isfinite(pairs).all(axis=1) & (np.abs(pairs[:, 1]) <= _POLE))] = np.nan
    place = vectors(pairs[:, 0], pairs[:, 1])
    rows: dict[tuple[float, ...] | None, list[int]] = {}
    for row, polygon in enumerate(polygons.to_pylist()):
        rows.setdefault(tuple(polygon) if is_region(polygon) else None, []).append(row)
    answer: list[bool | None] = [None] * len(points)
    for polygon, numbers in rows.items():
        shape = Polygon(polygon) if polygon is not None and len(polygon) >= _POLYGON else None
        if shape is None or not shape.fits:
            continue
        finite = np.isfinite(place[numbers]).all(axis=1)
        for row, known, inside in zip(numbers, finite.tolist(), shape.contains(place[numbers]).tolist(), strict=True):
            answer[row] = inside if known else None
    return pa.array(answer, pa.bool_())


def _one(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a database the functions of regions."""
    number, region, condition, word = "DOUBLE", "DOUBLE[]", "BOOLEAN", "VARCHAR"
    flags, numbers, lists = pa.bool_(), pa.float64(), pa.list_(pa.float64())
    functions: list[tuple[str, Any, list[Any], str]] = [
        ("adql_contains", _rowwise(contains, flags), [region, region], condition),
        ("adql_intersects", _rowwise(intersects, flags), [region, region], condition),
        ("adql_inside", _inside, [region, region], condition),
        ("adql_box", _rowwise(box, lists), [number] * 4, region),
        ("adql_region", _rowwise(parse, lists), [word], region),
        ("adql_area", _rowwise(area, numbers), [region], number),
        ("adql_centroid", _rowwise(centroid, lists), [region], region),
    ]
    for name, function, arguments, result in functions:
        # By default a function sees no NULL, and may not answer with one: a region that is none would end the query.
        connection.create_function(name, function, arguments, result, type=ARROW, null_handling=SPECIAL)
