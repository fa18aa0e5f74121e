"""Places on the ground: a pond's outline (GeoJSON polygon, RFC 7946) checked, areas and distances in metres, bounding boxes."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import orjson
from shapely import GeometryType, Polygon, distance, from_geojson, get_type_id, is_valid_reason, transform
from shapely.errors import GEOSException

_LARGEST: Final = 1e7  # m²: ten square kilometres is no pond
_MOST_POINTS: Final = 2000


class OutlineError(ValueError):
    """The outline cannot be used; the text says why and what to give."""


def outline(document: object) -> tuple[dict[str, Any], float]:
    """Return a polygon as it is kept, and its area in m².

    Parameters
    ----------
    document : GeoJSON ``Polygon``, longitude before latitude, WGS 84

    Raises
    ------
    OutlineError
        if it is none, crosses itself, lies off the Earth or is too large
    """
    if not isinstance(document, dict) or document.get("type") != "Polygon":
        raise OutlineError('polygon is no GeoJSON Polygon; give {"type": "Polygon", "coordinates": [[[lon, lat], …]]}')
    try:
        shape = from_geojson(json.dumps({"type": "Polygon", "coordinates": document.get("coordinates")}, allow_nan=False))
    except (GEOSException, ValueError, TypeError):
        raise OutlineError("polygon.coordinates is not usable; give rings of [lon, lat] whose last point is the first") from None
    if get_type_id(shape) != GeometryType.POLYGON or shape.is_empty or not isinstance(shape, Polygon):
        raise OutlineError("polygon is empty; give at least three corners")
    if len(shape.exterior.coords) > _MOST_POINTS:
        raise OutlineError(f"polygon has {len(shape.exterior.coords)} points; give at most {_MOST_POINTS}")
    west, south, east, north = shape.bounds
    if not (west >= -180 and east <= 180 and south >= -89 and north <= 89):
        raise OutlineError(f"polygon reaches {west:g}…{east:g}, {south:g}…{north:g}; give longitude before latitude, in degrees")
    if not shape.is_valid:
        raise OutlineError(f"polygon is not simple ({is_valid_reason(shape)}); give its corners in order")
    area = ground_area(shape)
    if not 1 <= area <= _LARGEST:
        raise OutlineError(f"polygon has {area:.0f} m²; give 1 to {_LARGEST:.0f} m²")
    kept = {"type": "Polygon", "coordinates": [[list(p) for p in ring.coords] for ring in (shape.exterior, *shape.interiors)]}
    return kept, area


def shape_of(geometry: dict[str, Any]) -> Any:  # noqa: ANN401 - shapely has no types
    """Return a GeoJSON geometry as a shape in degrees."""
    return from_geojson(orjson.dumps(geometry))


def bounds(geometry: dict[str, Any] | None) -> tuple[float | None, float | None, float | None, float | None]:
    """Return west, south, east and north of a GeoJSON geometry in degrees, four ``None`` where it has no place."""
    shape = None if geometry is None else shape_of(geometry)
    if shape is None or shape.is_empty:
        return None, None, None, None
    west, south, east, north = (float(value) for value in shape.bounds)
    return west, south, east, north


def degree_lengths(latitude: float) -> tuple[float, float]:
    """Return how many metres a degree of longitude and one of latitude have there on WGS 84 (Snyder 1987, USGS PP 1395)."""
    phi = math.radians(latitude)
    north = 111_132.954 - 559.822 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi)
    east = 111_412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi) + 0.118 * math.cos(5 * phi)
    return east, north


def ground_area(shape: Polygon) -> float:
    """Return the area in m² of a small polygon in degrees."""
    east, north = degree_lengths(shape.centroid.y)
    return float(shape.area * east * north)


def ground_distance(a: Any, b: Any) -> float:  # noqa: ANN401 - shapely has no types
    """Return the shortest way in m between two shapes in degrees that are a few kilometres apart at most; 0 where they touch."""
    lengths = degree_lengths((a.centroid.y + b.centroid.y) / 2)
    return float(distance(transform(a, lambda points: points * lengths), transform(b, lambda points: points * lengths)))
