"""Lines of equal height over a grid, by linear interpolation between its points (marching squares)."""

from __future__ import annotations

import numpy as np

from .scale import ticks

Segment = tuple[tuple[float, float], tuple[float, float]]


def levels_between(low: float, high: float, *, most: int = 8) -> tuple[float, ...]:
    """Round levels strictly between two heights; none if they are equal."""
    if not (np.isfinite(low) and np.isfinite(high)) or high - low <= 1e-9 * max(abs(low), abs(high), 1e-300):
        return ()
    return tuple(v for v in ticks(low, high, most=most) if low < v < high)


def contour_lines(x: np.ndarray, y: np.ndarray, z: np.ndarray, level: float) -> list[np.ndarray]:
    """(n, 2) broken lines where z (len(y), len(x)) equals `level`; cells with a missing corner are left out."""
    segments: list[Segment] = []
    for i in range(len(y) - 1):
        for j in range(len(x) - 1):
            segments += _cell(x[j : j + 2], y[i : i + 2], z[i : i + 2, j : j + 2] - level)
    return _joined(segments)


def _cell(x: np.ndarray, y: np.ndarray, gap: np.ndarray) -> list[Segment]:
    """The segments of one cell: crossings of its edges, paired by the mean height where there are four."""
    if not np.isfinite(gap).all():
        return []
    corners = [
        (x[0], y[0], gap[0, 0]),
        (x[1], y[0], gap[0, 1]),
        (x[1], y[1], gap[1, 1]),
        (x[0], y[1], gap[1, 0]),
    ]
    found = []
    for (ax, ay, ag), (bx, by, bg) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (ag >= 0) != (bg >= 0):
            t = ag / (ag - bg)
            found.append((float(ax + t * (bx - ax)), float(ay + t * (by - ay))))
    if len(found) == 2:
        return [(found[0], found[1])]
    if len(found) == 4:
        first = (gap.mean() >= 0) == (gap[0, 0] >= 0)
        pairs = ((0, 1), (2, 3)) if first else ((3, 0), (1, 2))
        return [(found[a], found[b]) for a, b in pairs]
    return []


def _joined(segments: list[Segment]) -> list[np.ndarray]:
    """Segments that share an end, one after another."""
    ends: dict[tuple[float, float], list[int]] = {}
    keys = [(_key(a), _key(b)) for a, b in segments]
    for i, pair in enumerate(keys):
        for key in pair:
            ends.setdefault(key, []).append(i)
    left = set(range(len(segments)))
    lines = []
    while left:
        i = left.pop()
        line = list(segments[i])
        for forward in (True, False):
            while True:
                key = _key(line[-1] if forward else line[0])
                following = next((k for k in ends[key] if k in left), None)
                if following is None:
                    break
                left.discard(following)
                a, b = segments[following]
                other = b if _key(a) == key else a
                line = [*line, other] if forward else [other, *line]
        lines.append(np.array(line))
    return lines


def _key(point: tuple[float, float]) -> tuple[float, float]:
    return (round(point[0], 12), round(point[1], 12))
