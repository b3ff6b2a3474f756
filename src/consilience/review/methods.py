"""The methods paragraph, its references and the assumptions, written from what was done."""

from __future__ import annotations

import numpy as np

from ..base.format import number, plural
from ..data.findings import joined
from ..records import Dependence, Effects, Plan
from ..records.effects import BETWEEN

REFERENCES = {
    "morris2008": "Morris SB. Estimating effect sizes from pretest-posttest-control group designs. Organ Res Methods. 2008;11(2):364-386.",
    "pustejovsky2022": "Pustejovsky JE, Tipton E. Meta-analysis with robust variance estimation: expanding the range of working models. Prev Sci. 2022;23(3):425-438.",
    "tipton2015": "Tipton E, Pustejovsky JE. Small-sample adjustments for tests of moderators and model fit using robust variance estimation in meta-regression. J Educ Behav Stat. 2015;40(6):604-634.",
    "rodgers2021": "Rodgers MA, Pustejovsky JE. Evaluating meta-analytic methods to detect selective reporting in the presence of dependent effect sizes. Psychol Methods. 2021;26(2):141-160.",
    "higgins2008": "Higgins JPT, White IR, Anzures-Cabrera J. Meta-analysis of skewed data: combining results reported on log-transformed or raw scales. Stat Med. 2008;27(29):6072-6092.",
    "furukawa2006": "Furukawa TA, Barbui C, Cipriani A, Brambilla P, Watanabe N. Imputing missing standard deviations in meta-analyses can provide accurate results. J Clin Epidemiol. 2006;59(1):7-10.",
    "gleser2009": "Gleser LJ, Olkin I. Stochastically dependent effect sizes. In: Cooper H, Hedges LV, Valentine JC, eds. The Handbook of Research Synthesis and Meta-Analysis. 2nd ed. Russell Sage Foundation; 2009:357-376.",
    "pustejovsky2019": "Pustejovsky JE, Rodgers MA. Testing for funnel plot asymmetry of standardized mean differences. Res Synth Methods. 2019;10(1):57-71.",
    "higgins2002": "Higgins JPT, Thompson SG. Quantifying heterogeneity in a meta-analysis. Stat Med. 2002;21(11):1539-1558.",
    "higgins2009": "Higgins JPT, Thompson SG, Spiegelhalter DJ. A re-evaluation of random-effects meta-analysis. J R Stat Soc Ser A. 2009;172(1):137-159.",
    "viechtbauer2010": "Viechtbauer W, Cheung MWL. Outlier and influence diagnostics for meta-analysis. Res Synth Methods. 2010;1(2):112-125.",
    "stanley2014": "Stanley TD, Doucouliagos H. Meta-regression approximations to reduce publication selection bias. Res Synth Methods. 2014;5(1):60-78.",
    "duval2000": "Duval S, Tweedie R. Trim and fill: a simple funnel-plot-based method of testing and adjusting for publication bias in meta-analysis. Biometrics. 2000;56(2):455-463.",
    "vevea1995": "Vevea JL, Hedges LV. A general linear model for estimating effect size in the presence of publication bias. Psychometrika. 1995;60(3):419-435.",
    "mathur2020": "Mathur MB, VanderWeele TJ. Sensitivity analysis for publication bias in meta-analyses. J R Stat Soc Ser C. 2020;69(5):1091-1119.",
    "steegen2016": "Steegen S, Tuerlinckx F, Gelman A, Vanpaemel W. Increasing transparency through a multiverse analysis. Perspect Psychol Sci. 2016;11(5):702-712.",
    "page2021": "Page MJ, McKenzie JE, Bossuyt PM, et al. The PRISMA 2020 statement. BMJ. 2021;372:n71.",
}


def paragraphs(plan: Plan, effects: Effects) -> tuple[str, ...]:
    """Methods as they would stand in a paper; every sentence describes something that was computed."""
    level = f"{100 * plan.level:g}%"
    pooled = "randomised trials" if plan.only_randomised else "all trials"
    variance = "the exact variance" if plan.variance == "morris" else "the large-sample variance"
    return (
        f"The effect size was the standardised mean difference in change for pretest-posttest-control designs, with {variance} "
        "of Morris (2008), signed so that a positive value is a benefit, as declared for each outcome. Outcomes declared as "
        "skewed were analysed as logarithms where the printed numbers allow (Higgins et al. 2008). Results printed in other forms were converted; the route and "
        "assumptions of every effect are listed in the table of effects. Where a pre-post correlation was neither printed nor "
        "derivable, the value declared for the marker was used and varied. Covariances of effects of the same people follow from shared "
        "arms and baselines where the design gives them (Gleser & Olkin 2009). Percent changes are pooled log ratios of ratios."
        f"{imputation_sentence(plan)}",
        f"The primary analysis pooled {plan_times(plan)} of {pooled} by a correlated and hierarchical effects model (random "
        f"intercepts for trials and for effects within trials; sampling correlation {plan.rho:g} within trials where the design does "
        f"not give it), fitted by REML, with cluster-robust variances (CR2), Satterthwaite degrees of freedom and {level} intervals "
        "(Pustejovsky & Tipton 2022). Differences between groups were tested by the HTZ test (Tipton & Pustejovsky 2015). "
        "No adjustment was made for the number of tests. Prediction intervals are for the true effect on one outcome of a new trial "
        "and use the same degrees of freedom as the average (after Higgins et al. 2009). I² is given per level (Higgins & Thompson 2002).",
        f"Late effects are those measured {plan.persistence_weeks:g} weeks or more after treatment ended; the course over time is "
        f"a meta-regression on log(weeks + 1). Moderators were examined one at a time if {plan.trials_per_moderator} trials or more "
        "report them. Small-study effects were tested by a cluster-robust Egger regression on sqrt(1/nT + 1/nC) (Pustejovsky & "
        f"Rodgers 2019; Rodgers & Pustejovsky 2021) if {plan.small_study_minimum} trials or more could be used. {sample_sentence(plan, effects)}",
        *credibility_paragraph(plan),
    )


CREDIBILITY_WORDS = {
    "influence": "Influential trials were sought by leaving out each trial (Viechtbauer & Cheung 2010).",
    "cumulative": "Trials were added in the order of publication.",
    "small-study": "With {minimum} trials or more, small-study effects were adjusted for by PET-PEESE on arm sizes inside the "
    "primary model (Stanley & Doucouliagos 2014) and by trim and fill of trial averages (Duval & Tweedie 2000).",
    "selection": "Selective publication was modelled by a step at one-sided p = .025 (Vevea & Hedges 1995) with cluster-robust "
    "standard errors.",
    "worst-case": "Publication bias that would explain the result away was computed as Mathur & VanderWeele (2020) propose.",
    "calibration": "What the interval and the test do was simulated on the review's own design ({replicates:,} replicates at "
    "most).",
    "multiverse": "All combinations of the choices that the protocol declares were analysed (Steegen et al. 2016).",
}
CREDIBILITY_REFERENCES = {
    "influence": ("viechtbauer2010",),
    "small-study": ("stanley2014", "duval2000"),
    "selection": ("vevea1995",),
    "worst-case": ("mathur2020",),
    "multiverse": ("steegen2016",),
}


def credibility_paragraph(plan: Plan) -> tuple[str, ...]:
    """What was asked of the answer before it was believed; nothing if the protocol asks for nothing."""
    sentences = [CREDIBILITY_WORDS[name] for name in CREDIBILITY_WORDS if name in plan.credibility]
    text = " ".join(sentences).format(minimum=plan.small_study_minimum, replicates=plan.replicates)
    return (text,) if text else ()


def declared_correlations(known: Dependence) -> list[str]:
    """What the protocol declares of correlations between values of the same people."""
    lines = [f"{a} and {b} at one time: correlation {r:g}, as declared." for a, b, r in known.pairs]
    others = "Two other outcomes" if known.pairs else "Two outcomes"
    single = (
        (known.between, f"{others} at one time"),
        (known.cross_time, "Two outcomes at two times"),
        (known.across_times, "One outcome at two times"),
        (known.autocorrelation, f"One outcome at two times {known.weeks:g} weeks apart"),
    )
    return lines + [f"{words}: correlation {r:g}, as declared." for r, words in single if r is not None]


def imputation_sentence(plan: Plan) -> str:
    """What was allowed to be imputed, "" if nothing was; begins with a space."""
    sources = (
        (plan.imputation.sd, "standard deviations from other trials of the marker (Furukawa et al. 2006)"),
        (plan.imputation.r, "pre-post correlations from other trials of the marker"),
        (plan.imputation.n, "arm sizes from the trial's other numbers"),
    )
    allowed = [words for choice, words in sources if choice != "none"]
    return f" Where a trial did not print them, {joined(allowed)} were imputed." if allowed else ""


def plan_times(plan: Plan) -> str:
    return {
        "all": "all results at and after the end of treatment",
        "post": "the results at the end of treatment",
    }.get(plan.times, "the follow-up results")


def sample_sentence(plan: Plan, effects: Effects) -> str:
    made = f"{plural(effects.k, 'effect')} of {plural(effects.n_studies, 'trial')} could be computed"
    left = int(np.sum(effects["pooled"] == 0.0))
    flow = " The flow of reports is shown as PRISMA 2020 asks (Page et al. 2021)." if plan.prisma else ""
    return (
        f"{made}; {left} of them did not enter the primary analysis, and "
        f"{plural(len(effects.dropped), 'reported result')} gave no effect.{flow}"
    )


def references(plan: Plan) -> tuple[str, ...]:
    """The works that the methods paragraphs cite, in alphabetical order."""
    keys = set(REFERENCES) - (set() if plan.prisma else {"page2021"})
    keys -= set() if plan.imputation.sd != "none" else {"furukawa2006"}
    keys -= {
        key for name, cited in CREDIBILITY_REFERENCES.items() if name not in plan.credibility for key in cited
    }
    return tuple(sorted(REFERENCES[key] for key in keys))


def assumptions(plan: Plan, effects: Effects) -> tuple[str, ...]:
    """What had to be assumed, most frequent first, with how many effects rest on it."""
    counted: dict[str, int] = {}
    for text in effects["assumptions"] if effects.k else ():
        for sentence in filter(None, str(text).split(BETWEEN)):
            counted[sentence] = counted.get(sentence, 0) + 1
    lines = [
        f"{sentence} ({plural(n, 'effect')})"
        for sentence, n in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    ]
    lines.append(
        f"Effects of one trial whose covariance the design does not give: sampling correlation {number(plan.rho)} (all pairs)."
    )
    lines += declared_correlations(plan.dependence)
    assumed = {
        str(o)
        for o, how in zip(effects["outcome"], effects["r_source"], strict=True)
        if how.startswith("assumed") and not how.startswith("assumed (imputed")
    }
    for rule in (rule for name, rule in plan.outcomes.items() if name in assumed):
        source = f" ({rule.r.source})" if rule.r.source else ""
        lines.append(
            f"{rule.name}: pre-post correlation {rule.r.value:g}, range {rule.r.low:g} to {rule.r.high:g}{source}."
        )
    return tuple(lines)
