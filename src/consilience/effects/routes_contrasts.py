"""Ways to an effect from results known only as a comparison: differences, t, F, p, chi-squared, OR, SMD."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..records import Step
from .arm_view import Choice, joint_r, standardiser, view
from .candidates import Candidate, Failure, both_known
from .cells import Cells
from .contrast_numbers import SPREADS, ContrastNumbers
from .convert_statistics import LOGISTIC_SD
from .pairing import Comparison
from .routes_arms import POOLED_BEFORE

RESCALED = "the change-score d is rescaled to the SD of the values by sqrt(2(1 - r))"
LOGISTIC = "ln OR to d by sqrt(3)/pi (logistic; Hasselblad & Hedges 1995)"


@dataclass(frozen=True, slots=True)
class _Row:
    """One contrast with what the arms table knows of the same arms."""

    index: int
    n_t: float
    n_c: float
    change: bool  # the statistic compares changes; otherwise final values
    r: float
    r_source: str
    baseline_sd: float
    about_sd: str
    sd_rows: tuple[int, ...]  # rows of arms that the SD comes from

    @property
    def a(self) -> float:
        return 1 / self.n_t + 1 / self.n_c

    @property
    def basis(self) -> str:
        return "change" if self.change else "final"

    @property
    def group(self) -> str:
        return "change" if self.change else "final values"


def contrast_candidates(
    c: Comparison, row: int, numbers: ContrastNumbers, *, cells: Cells, choice: Choice
) -> tuple[list[Candidate], Failure | None]:
    """All ways to this effect from one row of the contrasts table, or why there is none."""
    x = numbers
    made: list[Candidate] = []
    odds = _odds_ratio(row, x)
    compares, n_t, n_c = x.compares[row], x.n_t[row], x.n_c[row]
    sized = both_known(n_t, n_c) and min(n_t, n_c) >= 1 and n_t + n_c >= 4
    if sized:
        info = _info(c, row, x, cells, choice)
        if compares:
            made.extend(_difference(info, x))
        made.extend(_statistics(info, x, declared=bool(compares)))
    if odds is not None:
        made.append(odds)
    if made:
        return made, None
    return [], _why_not(row, x, sized=sized)


def _info(c: Comparison, row: int, x: ContrastNumbers, cells: Cells, choice: Choice) -> _Row:
    log = x.log[row]
    t = view(cells, c.pre_t, c.post_t, x.n_t[row], log=log, choice=choice)
    k = view(cells, c.pre_c, c.post_c, x.n_c[row], log=log, choice=choice)
    r, source = joint_r(t, k)
    sd, about = standardiser(t, k)
    rows = tuple(row for row in (c.pre_t, c.pre_c) if row >= 0)
    if x.sd[row] > 0:
        sd, about, rows = x.sd[row], "standardised by the SD printed with the difference", ()
    return _Row(row, x.n_t[row], x.n_c[row], x.compares[row] != "final", r, source, sd, about, rows)


def _assumed_r(info: _Row) -> tuple[str, ...]:
    return (
        (f"pre-post correlation {info.r:g}, {info.r_source}",) if info.r_source.startswith("assumed") else ()
    )


def _k(info: _Row) -> float:
    """Variance of a difference in units of S^2, times the harmonic arm size: 2(1 - r) for changes, 1 for final values."""
    return 2 * (1 - info.r) if info.change else 1.0


def _difference(info: _Row, x: ContrastNumbers) -> list[Candidate]:
    """Route 3: a printed difference over the baseline SD; without an SD the difference and its SE are a t."""
    i = info.index
    difference, se = x.difference[i], x.difference_se[i]
    if math.isnan(difference):
        return []
    what = "difference of changes" if info.change else "difference of final values"
    if not info.baseline_sd > 0:
        return _difference_as_t(info, x, what)
    assumptions = [info.about_sd, "" if info.change else "no adjustment for baseline is known of"]
    if se > 0:
        share, spread = (se / info.baseline_sd) ** 2 / info.a, x.spread[i]
    else:
        share, spread = _k(info), "no dispersion"
        assumptions.extend(_assumed_r(info) if info.change else ())
    needs_r = info.change and not se > 0
    return [
        Candidate(
            rank=30 if se > 0 else 35,
            code="difference-baseline-sd" if info.change else "final-difference-baseline-sd",
            group=info.group,
            route=f"{what} between arms with {spread} over the baseline SD",
            cells="difference",
            difference=difference,
            sd=info.baseline_sd,
            n_t=info.n_t,
            n_c=info.n_c,
            part_t=share / info.n_t,
            part_c=share / info.n_c,
            basis=info.basis,
            r=info.r if needs_r else math.nan,
            r_source=info.r_source if needs_r else "not needed",
            assumptions=tuple(x for x in assumptions if x),
            scale="log" if x.log[i] else "raw",
            arm_rows=info.sd_rows,
            contrast_row=i,
            trace=_difference_steps(info, x, what),
        )
    ]


def _difference_as_t(info: _Row, x: ContrastNumbers, what: str) -> list[Candidate]:
    """Without an SD, a difference and its own SE or interval are a t statistic."""
    se, spread = x.difference_se[info.index], x.spread[info.index]
    if not (se > 0 and spread in ("SE", "CI")):
        return []
    t = Step("t", x.difference[info.index] / se, f"difference / SE; SE: {SPREADS[spread]}")
    return [_from_t(info, t, rank=61, code="difference", words=f"{what} with {spread}")]


def _difference_steps(info: _Row, x: ContrastNumbers, what: str) -> tuple[Step, ...]:
    i = info.index
    return (
        Step("difference printed", x.difference[i], what),
        Step("its standard error", x.difference_se[i], SPREADS[x.spread[i]]),
        Step("S", info.baseline_sd, info.about_sd or POOLED_BEFORE),
    )


def _from_t(info: _Row, t: Step, *, rank: int, code: str, words: str) -> Candidate:
    """t to d = t sqrt(a); a change-score d goes to the SD of the values by sqrt(2(1 - r))."""
    k = _k(info)
    kind = "change-score d" if info.change else "d of final values"
    return Candidate(
        rank=rank,
        code=f"{code}-{info.basis}",
        group="statistic",
        route=f"from {words}, arms {info.n_t:g}/{info.n_c:g}, {kind}",
        cells=code,
        difference=t.value * math.sqrt(info.a * k),
        sd=1.0,
        n_t=info.n_t,
        n_c=info.n_c,
        part_t=k / info.n_t,
        part_c=k / info.n_c,
        basis=info.basis,
        r=info.r if info.change else math.nan,
        r_source=info.r_source if info.change else "not needed",
        assumptions=(RESCALED, *_assumed_r(info))
        if info.change
        else ("no adjustment for baseline is known of",),
        contrast_row=info.index,
        trace=(t, *_rescaling(info, k)),
    )


def _rescaling(info: _Row, k: float) -> tuple[Step, ...]:
    """The correlation and the factor by which a change-score d goes to the SD of the values; final values: none."""
    if not info.change:
        return ()
    factor = Step("factor to the SD of the values", math.sqrt(k), "\u221a(2(1 \u2212 r))")
    return Step("pre-post correlation r", info.r, info.r_source), factor


def _statistics(info: _Row, x: ContrastNumbers, *, declared: bool) -> list[Candidate]:
    """Route 6: t, F and p need to know what they compare; SMD and chi-squared of a 2x2 table compare final values."""
    i = info.index
    made = []
    df = f"{x.df[i]:g}" if not math.isnan(x.df[i]) else f"{info.n_t + info.n_c - 2:g}"
    if declared:
        for rank, code, t, words, how in (
            (63, "t", x.t[i], f"t({df}) = {x.t[i]:.3g}", "as printed, with the sign of the direction"),
            (64, "f", x.f_t[i], f"F(1,{df})", "\u221aF with the sign of the direction"),
            (67, "p", x.p_t[i], "an exact p and its direction", f"the t of {df} df with this two-sided p"),
        ):
            if not math.isnan(t):
                made.append(_from_t(info, Step("t", t, how), rank=rank, code=code, words=words))
    if not math.isnan(x.smd[i]):
        made.append(_smd(info, x, declared=declared))
    if not math.isnan(x.chi2_d[i]):
        made.append(_chi2(info, x.chi2_d[i]))
    return made


def _smd(info: _Row, x: ContrastNumbers, *, declared: bool) -> Candidate:
    """A printed SMD, taken as it stands (no further small-sample factor); of changes: rescaled like any other."""
    i = info.index
    change = declared and info.change
    k = _k(info) if change else 1.0
    se = x.smd_se[i]
    share = se**2 * k / info.a if se > 0 else k
    return Candidate(
        rank=62,
        code=f"smd-{'change' if change else 'final'}",
        group="statistic",
        route=f"SMD as printed{' with its SE' if se > 0 else ''}, arms {info.n_t:g}/{info.n_c:g}",
        cells="smd",
        difference=x.smd[i] * math.sqrt(k),
        sd=1.0,
        n_t=info.n_t,
        n_c=info.n_c,
        part_t=share / info.n_t,
        part_c=share / info.n_c,
        basis="change" if change else "final",
        r=info.r if change else math.nan,
        r_source=info.r_source if change else "not needed",
        assumptions=(RESCALED, *_assumed_r(info)) if change else ("taken to be of final values",),
        exactness="fixed" if se > 0 else "smd",
        contrast_row=i,
        trace=(
            Step("SMD printed", x.smd[i], "as printed"),
            Step("its standard error", se, "as printed or from its interval"),
            *(_rescaling(info, k) if change else ()),
        ),
    )


def _chi2(info: _Row, d: float) -> Candidate:
    return Candidate(
        rank=68,
        code="chi2",
        group="statistic",
        route=f"from chi-squared(1), arms {info.n_t:g}/{info.n_c:g}",
        cells="chi2",
        difference=d,
        sd=1.0,
        n_t=info.n_t,
        n_c=info.n_c,
        part_t=1 / info.n_t,
        part_c=1 / info.n_c,
        basis="event",
        assumptions=("phi of the 2x2 table to d",),
        contrast_row=info.index,
        trace=(
            Step(
                "d of the table",
                d,
                "phi/\u221a(1 \u2212 phi\u00b2) N/\u221a(nT nC), phi = \u221a(chi\u00b2/N)",
            ),
        ),
    )


def _odds_ratio(row: int, x: ContrastNumbers) -> Candidate | None:
    """OR with its interval; needs no arm sizes, which then stay unknown."""
    log_or, se = x.log_or[row], x.log_or_se[row]
    if math.isnan(log_or) or not se > 0:
        return None
    n_t, n_c = x.n_t[row], x.n_c[row]
    known = both_known(n_t, n_c)
    variance = (se / LOGISTIC_SD) ** 2
    share_t = (1 / n_t) / (1 / n_t + 1 / n_c) if known else 0.5
    more = () if known else ("arm sizes are unknown: the people of this effect are not counted",)
    return Candidate(
        rank=66,
        code="odds-ratio",
        group="statistic",
        route="odds ratio with CI to d",
        cells="odds-ratio",
        difference=log_or / LOGISTIC_SD,
        sd=1.0,
        n_t=n_t,
        n_c=n_c,
        part_t=variance * share_t,
        part_c=variance * (1 - share_t),
        basis="event",
        assumptions=(LOGISTIC, *more),
        exactness="fixed",
        contrast_row=row,
        trace=(
            Step("ln OR", log_or, "logarithm of the odds ratio, or the middle of its logged limits"),
            Step("its standard error", se, "(ln upper \u2212 ln lower)/(2 z)"),
        ),
    )


def _why_not(row: int, x: ContrastNumbers, *, sized: bool) -> Failure:
    """The reason why one contrast gives nothing, most basic first."""
    if x.empty[row]:
        code, reason = "no-result", "No difference, statistic, odds ratio or SMD is given."
    elif not sized:
        n = x.n_t[row] + x.n_c[row]
        code = "too-few-people" if n < 4 else "arm-sizes-unknown"
        reason = (
            f"{n:g} people in both arms allow no effect size."
            if n < 4
            else "The number of people analysed in each arm is not given: fill in n_treatment and n_control."
        )
    elif not math.isnan(x.log_or[row]):
        code, reason = "no-dispersion", "The odds ratio has no usable confidence interval."
    elif math.isnan(x.direction[row]) and math.isnan(x.t[row]):
        code = "no-direction"
        reason = (
            "Neither a signed statistic nor the direction is given: F, chi-squared and p have no sign, so say in "
            '"direction" which arm is higher.'
        )
    elif not x.compares[row]:
        code = "compares-unknown"
        reason = 'Say in "compares" whether final values, changes or the interaction are compared.'
    else:
        code, reason = (
            "no-dispersion",
            "A difference alone has no SE, interval, t or p: nothing to standardise with.",
        )
    return Failure(code, reason, contrast_rows=(row,))
