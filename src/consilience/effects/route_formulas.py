"""What a route computes, in symbols: its effect, each arm's share of the variance, where an SD comes from."""

from __future__ import annotations

from .arm_view import ArmView
from .candidates import Candidate
from .ppc import VarianceKind

# By the start of the route's code; the first that fits.
FORMULAS = {
    "pre-post": "g = J [(MT,post − MT,pre) − (MC,post − MC,pre)]/S (Morris 2008, d_ppc2)",
    "change-means": "g = J (changeT − changeC)/S (Morris 2008, d_ppc2)",
    "change-score-d": "g = J (changeT − changeC)/S, S = SD of change/√(2(1 − r))",
    "final-difference": "g = J difference/S",
    "final": "g = J (MT,post − MC,post)/S (Hedges 1981)",
    "events": "g = ln[(a d)/(b c)] √3/π (Hasselblad & Hedges 1995)",
    "odds-ratio": "g = ln OR √3/π (Hasselblad & Hedges 1995)",
    "difference-baseline": "g = J difference/S (Morris 2008, d_ppc2)",
    "smd-change": "g = SMD √(2(1 − r))",
    "smd": "g = SMD",
    "chi2": "g = J d, d from phi of the 2x2 table (Rosenthal 1994)",
    "ratio-geometric": "D = (LT,post − LT,pre) − (LC,post − LC,pre), L means of logarithms",
    "ratio-arithmetic": "D = ln(MT,post/MT,pre) − ln(MC,post/MC,pre)",
    "ratio-log-change": "D = changeT − changeC of logarithms",
    "ratio-log-difference": "D = printed difference of changes of logarithms",
}
STATISTIC = {
    "change": "g = J t √(1/nT + 1/nC) √(2(1 − r))",
    "final": "g = J t √(1/nT + 1/nC)",
}

SPREAD_HOW = {
    "SD": "as printed",
    "SE": "SE √n",
    "CI": "√n (upper − lower)/(2 t), t with n − 1 df",
    "geometric CI": "√n (ln upper − ln lower)/(2 t), t with n − 1 df",
    "median and quartiles": "from median and quartiles (Wan 2014, Shi 2020)",
    "median and range": "from median and range (Wan 2014, Shi 2020)",
    "t": "√n |change/t|",
    "p": "√n |change/t|, t from p with n − 1 df",
    "": "",
}
KIND_HOW = {
    "mean": "as printed",
    "converted": "ln m − L/2, L = ln(1 + s²/m²) (Higgins 2008)",
    "quartiles": "from median and quartiles (Luo 2018)",
    "range": "from median and range (Luo 2018)",
    "median": "ln median",
}
LOG_SPREAD_HOW = {
    "converted": "√L, L = ln(1 + s²/m²) (Higgins 2008)",
    "median": "(ln q3 − ln q1)/expected width of the quartiles, 1.349 at large n (Wan 2014)",
}


def effect_formula(candidate: Candidate) -> str:
    """The formula of the effect."""
    for start, formula in FORMULAS.items():
        if candidate.code.startswith(start):
            return formula
    return STATISTIC[candidate.basis]


def variance_formula(candidate: Candidate, variance: VarianceKind) -> str:
    """How v follows from the arms' shares kT and kC."""
    if candidate.exactness == "fixed":
        return "v = kT + kC"
    if candidate.exactness == "smd":
        return "v = kT + kC + g²/(2N)"
    if variance == "large-sample" or candidate.n_t + candidate.n_c <= 4:
        return "v = kT + kC + g²/(2N)"
    return "v = A (kT + kC) + (A − 1) g², A = J² m/(m − 2), m = N − 2 (Morris 2008)"


def share_formula(candidate: Candidate, arm: ArmView | None) -> str:
    """How one arm's share of Var(difference)/S² was made."""
    if candidate.code.startswith("ratio"):
        return _ratio_share(candidate, arm)
    if arm is None:
        return _comparison_share(candidate)
    if candidate.code == "change-score-d":
        return "2(1 − r)/n"
    if candidate.basis == "final":
        return "1/n" if arm.post_kind == "mean" else f"1/n times the variance of a {arm.post_kind} mean"
    of_change = candidate.code == "change-means-baseline-sd"
    if arm.change_sd >= 0 and (of_change or arm.r_source != "reported"):
        return "(SD of change)²/(n S²)"
    kinds = {arm.pre_kind or "mean", arm.post_kind or "mean"}
    return "2(1 − r)/n" if kinds == {"mean"} else f"2(1 − r)/n, adjusted: {' and '.join(sorted(kinds))}"


def _ratio_share(candidate: Candidate, arm: ArmView | None) -> str:
    if arm is None:
        return "SE²/(1/nT + 1/nC)/n"
    if candidate.code == "ratio-arithmetic":
        return "(CV1² + CV0² − 2 r CV1 CV0)/n; an r assumed for logarithms is converted"
    if candidate.code == "ratio-log-change" and arm.change_sd >= 0:
        return "(SD of change)²/n"
    return "(L1 + L0 − 2 r √(L1 L0))/n, L the variances of the logarithms"


def _comparison_share(candidate: Candidate) -> str:
    printed = any(step.what == "its standard error" and step.value > 0 for step in candidate.trace)
    if candidate.code == "events":
        return "(1/with + 1/without) 3/π²"
    if printed:
        return "SE² in units of S², divided over the arms"
    return "2(1 − r)/n" if candidate.basis == "change" else "1/n"
