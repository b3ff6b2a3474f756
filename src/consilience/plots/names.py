"""Names beside the points of a plane, placed so that none overlaps another; what finds no place is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .layout import Label, Point
from .measure import shorten, text_width

SIZE = 7.0
WIDEST = 110.0  # points; longer names are shortened, the text twin has them in full
Box = tuple[float, float, float, float]


def place_names(
    points: Sequence[Point],
    names: Sequence[str],
    first: Sequence[int],
    *,
    area: Box,
    taken: Sequence[Box] = (),
    avoid: Sequence[Point] = (),
) -> list[Label]:
    """Labels of points[i], names[i] for i in `first`, in that order of importance.

    Each name stands right, left, above or below its point, near it or a little further, where it hides no point.

    area : left, top, right, bottom that names must stay within; taken : boxes already occupied; avoid : (m, 2) further
    places, such as points along lines, that must stay visible.
    """
    xy = np.asarray(points, dtype=float).reshape(-1, 2)
    used = [*taken]
    result = []
    for i in first:
        text = shorten(names[i], WIDEST, SIZE)
        width = text_width(text, SIZE)
        others = np.concatenate([np.delete(xy, i, axis=0), np.reshape(avoid, (-1, 2))])
        for box in _places(xy[i], width):
            inside = box[0] >= area[0] and box[1] >= area[1] and box[2] <= area[2] and box[3] <= area[3]
            if not inside or any(_overlap(box, other) for other in used):
                continue
            if not _holds(box, others).any():
                used.append(box)
                result.append(Label(box[0], box[3] - 0.2 * SIZE - 0.5, text, SIZE))
                break
    return result


def _places(point: np.ndarray, width: float) -> list[Box]:
    """Boxes around a point, the preferred first."""
    x, y = float(point[0]), float(point[1])
    height, result = SIZE + 1.0, []
    for gap in (5.0, 9.0, 14.0, 20.0):
        for left, top in (
            (x + gap, y - height / 2),
            (x - gap - width, y - height / 2),
            (x - width / 2, y - gap - height),
            (x - width / 2, y + gap),
            (x + 0.7 * gap, y - 0.7 * gap - height),
            (x - 0.7 * gap - width, y - 0.7 * gap - height),
            (x + 0.7 * gap, y + 0.7 * gap),
            (x - 0.7 * gap - width, y + 0.7 * gap),
        ):
            result.append((left, top, left + width, top + height))
    return result


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] + 1 and b[0] < a[2] + 1 and a[1] < b[3] and b[1] < a[3]


def _holds(box: Box, xy: np.ndarray) -> np.ndarray:
    """Which points lie under a box, with a little room around it."""
    inside = (xy > np.array(box[:2]) - 2.5) & (xy < np.array(box[2:]) + 2.5)
    return np.asarray(inside.all(axis=1))
