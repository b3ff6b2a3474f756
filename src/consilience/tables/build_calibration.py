"""What a calibration found, as tables: tests side by side, and publication by rule."""

from __future__ import annotations

from ..base.format import count, interval, number, plural
from ..records import Table, TableColumn
from ..records.calibration import Calibration, MethodCalibration, Share
from ..records.table import Cell


def _percent(share: Share) -> Cell:
    if not share.n:
        return None
    return f"{number(100 * share.value, 1)} {interval(100 * share.low, 100 * share.high, 1)}"


def _rows(methods: tuple[MethodCalibration, ...], chosen: str) -> list[tuple[Cell, ...]]:
    return [
        (
            m.label + (" *" if m.test == chosen else ""),
            _percent(m.coverage),
            _percent(m.prediction),
            _percent(m.rejected),
            _percent(m.power),
        )
        for m in methods
    ]


def calibration_table(calibration: Calibration) -> Table:
    """Each test under each scenario: percent of simulated reviews, with the Monte-Carlo standard error."""
    level = f"{100 * calibration.level:g}%"
    columns = (
        TableColumn("method", "Test"),
        TableColumn("coverage", f"{level} CI holds truth", "right"),
        TableColumn("prediction", f"{level} PI holds new", "right"),
        TableColumn("type_one", "Type I error", "right"),
        TableColumn("power", f"Power at {number(calibration.effect)}", "right"),
    )
    rows: list[tuple[Cell, ...]] = []
    groups: list[tuple[int, str]] = []
    for scenario in calibration.scenarios:
        groups.append((len(rows), scenario.label[:1].upper() + scenario.label[1:]))
        rows += _rows(scenario.methods, calibration.chosen)
    notes = [
        f"Percent of {count(calibration.replicates)} simulated reviews with the 95% Monte-Carlo interval ({calibration.share_method}): {plural(calibration.n_studies, 'study', 'studies')}, "
        f"{plural(calibration.n_effects, 'effect')}, true {calibration.quantity} {number(calibration.estimate, 3)}. "
        "CI: the interval holds the true average. PI: the prediction interval holds the true effect of a new study. "
        "Type I error: an effect is found where there is none. * the test of this analysis."
    ]
    failed = sum(s.failed for s in calibration.scenarios) + sum(s.failed for s in calibration.selected)
    if failed:
        notes.append(f"{plural(failed, 'data set')} could not be fitted and are left out.")
    notes += [note.message for note in calibration.notes]
    return Table(
        "calibration",
        "What intervals and tests do in reviews like this one",
        columns,
        tuple(rows),
        tuple(groups),
        tuple(notes),
    )


def selected_table(calibration: Calibration) -> Table:
    """What publication by rule does to the pooled effect and to the interval of this analysis."""
    level = f"{100 * calibration.level:g}%"
    columns = (
        TableColumn("rule", "Others published"),
        TableColumn("truth", "True value", "right", 3),
        TableColumn("published", "Published, %", "right", 1),
        TableColumn("bias", "Bias", "right", 3),
        TableColumn("bias_se", "SE", "right", 3),
        TableColumn("coverage", f"{level} CI holds truth", "right"),
        TableColumn("rejected", "Finds an effect", "right"),
    )
    rows: list[tuple[Cell, ...]] = []
    for s in calibration.selected:
        own = next(m for m in s.methods if m.test == calibration.chosen)
        shares = (_percent(own.coverage), _percent(own.rejected))
        rows.append(
            (f"{100 * s.rule.probability:g}%", s.truth, 100 * s.published, s.bias, s.bias_se, *shares)
        )
    rule = calibration.selected[0].rule if calibration.selected else None
    what = "effects" if rule is not None and rule.by == "effect" else "studies"
    alpha = 0.0 if rule is None else rule.alpha
    note = (
        f"Rule: {what} with a one-sided p of at most {alpha:g} (positive effects are the wanted ones) are all published, "
        "of the others the percentage stated. Bias: mean pooled estimate minus truth."
    )
    notes = () if rule is None else (note,)
    return Table(
        "calibration-selection", "If results were published selectively", columns, tuple(rows), notes=notes
    )
