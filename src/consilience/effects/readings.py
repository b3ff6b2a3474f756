"""Other readings of a standardised mean difference, each under its own name, with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..records import Instrument, Reading
from .back_absolute import number_needed_from_d, raw_units, risk_from_d, success_rates
from .back_scales import transform

Transform = Callable[[np.ndarray], np.ndarray]


def readings(
    g: float,
    low: float,
    high: float,
    *,
    response_rate: float | None = None,
    instruments: Sequence[Instrument] = (),
) -> tuple[Reading, ...]:
    """What a pooled g with its interval means in other words; the limits go through the same transform.

    Parameters
    ----------
    g, low, high : estimate and limits, positive = benefit.
    response_rate : share of people who do well without the treatment, for response and number needed to treat; None =
        not declared, so neither is given.
    instruments : scales with a known SD, for raw units.

    Source: the transform of each is named in `back_scales` and `back_absolute`. They assume normal outcomes with equal
    SDs in both groups.
    """
    three = np.array([g, low, high])
    found = [
        _reading("u3", "Cohen's U3", U3, "%", 100 * transform(three, "cohen-u3")),
        _reading(
            "superiority", "probability of superiority", CLES, "%", 100 * transform(three, "superiority")
        ),
        _overlap(three),
        _reading("besd", "binomial effect size display", BESD, "%", 100 * success_rates(three)[0]),
    ]
    if response_rate is not None:
        text = f"share that does well with treatment where {100 * response_rate:g}% do without"
        found.append(_reading("response", "response", text, "%", 100 * risk_from_d(three, response_rate)))
        found.append(_number_needed(three, response_rate))
    for item in instruments:
        text = f"difference on {item.name}, whose SD is {item.sd:g} {item.unit}".strip()
        found.append(_reading(f"raw/{item.name}", item.name, text, item.unit, raw_units(three, item.sd)))
    return tuple(found)


U3 = "share of treated people who do better than the average control person; 50% = no effect"
CLES = "chance that a treated person does better than a control person, both drawn at random; 50% = no effect"
OVERLAP = "share that the two groups have in common; 100% = no effect"
BESD = "success rate with treatment if half of all people succeed (Rosenthal & Rubin 1982); 50% = no effect"


def _reading(key: str, label: str, meaning: str, unit: str, values: np.ndarray) -> Reading:
    value, low, high = (float(x) for x in values)
    return Reading(key, label, meaning, unit, value, low, high)


def _overlap(three: np.ndarray) -> Reading:
    """The overlap is largest at no effect: an interval of g that covers zero reaches 100%."""
    value, *limits = 100 * transform(three, "overlap")
    top = 100.0 if three[1] <= 0 <= three[2] else max(limits)
    return _reading("overlap", "overlap", OVERLAP, "%", np.array([value, min(limits), top]))


def _number_needed(three: np.ndarray, rate: float) -> Reading:
    """NNT; an interval of g that covers zero runs through infinity, so no two limits describe it."""
    values = number_needed_from_d(three, rate)
    meaning = f"people to treat for one more who does well, where {100 * rate:g}% do without (Furukawa & Leucht 2011)"
    if three[1] <= 0 <= three[2]:
        meaning += "; the interval covers no effect, so it runs through infinity to harm"
        return _reading(
            "nnt", "number needed to treat", meaning, "people", np.array([values[0], np.nan, np.nan])
        )
    return _reading(
        "nnt", "number needed to treat", meaning, "people", np.array([values[0], *sorted(values[1:])])
    )
