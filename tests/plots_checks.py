"""What every figure must satisfy, whatever the data: used by the tests of the plots."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np

from consilience.base.grid import clean
from consilience.plots import Layout, figure_svg, text_twin
from consilience.plots.layout import Circle, Label, Line
from consilience.plots.measure import text_width


def boxes(layout: Layout) -> np.ndarray:
    """(n, 4) left, top, right, bottom of every drawn text, from its measured width and the font's usual heights."""
    out = []
    for label in layout.labels:
        width = text_width(label.text, label.size, bold=label.bold)
        left = label.x - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
        out.append((left, label.y - 0.73 * label.size, left + width, label.y + 0.2 * label.size))
    return np.array(out)


def overlapping(layout: Layout) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes share more than a hair."""
    box, labels = boxes(layout), layout.labels
    order = np.argsort(box[:, 1], kind="stable")
    found = []
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            if box[j, 1] >= box[i, 3]:
                break
            across = min(box[i, 2], box[j, 2]) - max(box[i, 0], box[j, 0])
            down = min(box[i, 3], box[j, 3]) - max(box[i, 1], box[j, 1])
            if across > 0.5 and down > 0.5:
                found.append((labels[i].text, labels[j].text))
    return found


def extent(layout: Layout) -> tuple[float, float, float, float]:
    """Smallest and largest x and y of everything drawn."""
    xs, ys = [], []
    for item in layout.items:
        if isinstance(item, Label):
            continue
        if isinstance(item, Circle):
            xs += [item.x - item.radius, item.x + item.radius]
            ys += [item.y - item.radius, item.y + item.radius]
        else:
            xs += [x for x, _ in item.points]
            ys += [y for _, y in item.points]
    box = boxes(layout)
    return (
        min([*xs, box[:, 0].min()]),
        max([*xs, box[:, 2].max()]),
        min([*ys, box[:, 1].min()]),
        max([*ys, box[:, 3].max()]),
    )


def assert_sound(layout: Layout) -> None:
    """Inside its canvas, no text on text, well-formed safe SVG, a twin and an alternative text."""
    left, right, top, bottom = extent(layout)
    assert left >= 0, layout.key
    assert top >= 0, layout.key
    assert right <= layout.width + 0.01, layout.key
    assert bottom <= layout.height + 0.01, layout.key
    assert not overlapping(layout), (layout.key, overlapping(layout)[:3])
    assert all(
        np.isfinite([x for item in layout.items if isinstance(item, Line) for p in item.points for x in p])
    )
    root = ET.fromstring(figure_svg(layout))
    tags = {element.tag.rsplit("}", 1)[-1] for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "rect", "g", "text", "path", "polyline", "polygon", "circle"}
    assert not any("style" in element.attrib for element in root.iter())
    texts = [element.text or "" for element in root.iter() if element.tag.endswith("}text")]
    assert texts == [clean(label.text) for label in layout.labels]
    assert layout.alt.strip()
    assert text_twin(layout).splitlines()[0] == clean(layout.title)


def axis_map(layout: Layout) -> tuple[float, float]:
    """(slope, intercept) of points per unit of the horizontal axis, read from the drawn tick labels as a reader would."""
    ticks = [
        (float(label.text.replace("\u2212", "-")), label.x, label.y)
        for label in layout.labels
        if label.anchor == "middle"
        and label.size == 7.5
        and not label.bold
        and label.text.replace("\u2212", "").replace(".", "").isdigit()
    ]
    height = max(y for *_, y in ticks)
    row = sorted((value, x) for value, x, y in ticks if y == height)
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(row)]
    assert np.ptp(slopes) < 1e-6
    return slopes[0], row[0][1] - slopes[0] * row[0][0]
