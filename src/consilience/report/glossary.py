"""The terms that the page explains, and the linking of each term where it is first used."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import Markup, escape


@dataclass(frozen=True)
class Term:
    """One entry. key : its anchor is ``term-<key>``; pattern : how it occurs in running text."""

    key: str
    name: str
    pattern: str
    short: str
    meaning: str


TERMS = (
    Term(
        "g",
        "Standardised effect (g)",
        r"\bg\b|\bHedges'? g\b|standard deviations?\b|standardised (?:mean )?(?:effect|difference)s?",
        "How much more the treated group changed than the control group, in units of the spread between people.",
        "How much more the treated group changed than the control group, in units of the spread between people "
        "before treatment (the standard deviation), corrected for small samples. Positive always means benefit. "
        "By a common rule of thumb 0.2 is small, 0.5 medium and 0.8 large; the rule knows nothing of medicine.",
    ),
    Term(
        "ci",
        "Confidence interval (CI)",
        r"confidence intervals?|\bCIs?\b",
        "The range of values that the data are compatible with.",
        "The range of true average effects that the data are compatible with. A 95% interval is made so that it "
        "covers the truth in 95 of 100 such studies. A wide interval means that little is known.",
    ),
    Term(
        "pi",
        "Prediction interval (PI)",
        r"prediction intervals?|\bPIs?\b",
        "Where the true effect on one outcome of a new, similar trial would probably lie.",
        "Where the true effect on one outcome of a new, similar trial would probably lie. It is wider than the confidence "
        "interval because trials, and outcomes within them, truly differ. If it includes zero, some settings may see no benefit.",
    ),
    Term(
        "p",
        "p-value",
        r"\bp-values?|\bp(?= [=<])",
        "How surprising the data would be if there were no effect at all.",
        "How often data at least as far from zero would occur if there were no effect at all. It is not the "
        "probability that the treatment does not work, and it says nothing about the size of an effect.",
    ),
    Term(
        "df",
        "Degrees of freedom (df)",
        r"degrees of freedom|\bdf\b",
        "How much information the uncertainty itself is based on.",
        "How much independent information the estimate of uncertainty is based on. With fewer than about 4, "
        "intervals and p-values should not be trusted.",
    ),
    Term(
        "heterogeneity",
        "Heterogeneity (τ², I²)",
        r"heterogeneity|τ²|tau²|\bI²",
        "How much the trials' true effects differ from each other.",
        "How much the true effects of the trials differ. τ² is the variance of the true effects on the scale of g; "
        "I² is the share of all visible variation that is not chance. I² alone does not say how large the "
        "differences are; the prediction interval does.",
    ),
    Term(
        "dependence",
        "Dependent effects (ρ)",
        r"dependent effects|(?<!\w)ρ(?!\w)|correlated effects|\brho\b",
        "Several results of the same people are not independent evidence.",
        "A trial that measures several markers in the same people gives several results that are not independent "
        "evidence. The correlation assumed between them is written ρ, and other values of it are tried.",
    ),
    Term(
        "prepost",
        "Pre-post correlation (r)",
        r"pre-?(?:to-)?post correlations?",
        "How strongly a person's value after treatment follows the value before.",
        "How strongly people's values after treatment follow their values before it. Few papers print it; where "
        "it was assumed, the analysis was repeated with a low and a high value.",
    ),
    Term(
        "model",
        "Primary model (CHE, CR2)",
        r"\bCHE\b|\bCR2\b|Satterthwaite|cluster-robust",
        "A model that allows for trials that differ and for several results per trial.",
        "A model with correlated and hierarchical effects (CHE): true effects differ between and within trials. Its "
        "uncertainty is cluster-robust (CR2, Satterthwaite degrees of freedom), so that with enough trials the "
        "interval holds up even if the correlations that were assumed are wrong.",
    ),
    Term(
        "reml",
        "Restricted maximum likelihood (REML)",
        r"\bREML\b|restricted maximum likelihood",
        "The usual way to estimate how much true effects differ.",
        "The usual way to estimate how much the true effects differ, corrected for having estimated the average too.",
    ),
    Term(
        "htz",
        "Test of difference (HTZ)",
        r"\bHTZ\b",
        "Asks whether classes differ from each other by more than chance.",
        "A robust test of whether several classes differ from each other. Only such a test supports a claim that "
        "a treatment works better in one class than in another.",
    ),
    Term(
        "influential",
        "Influential trial",
        r"influential(?: trials?)?|rule for influence",
        "A trial whose removal would move the result more than trials usually do.",
        "A trial whose removal would move the average, or its uncertainty, more than a trial of its kind usually does, "
        "judged by fixed limits (DFFITS, Cook's distance, hat value). It deserves a second look; it is not wrong for that.",
    ),
    Term(
        "selective",
        "Selective publication",
        r"selective(?:ly)? publi(?:cation|shed)|publication bias",
        "Results that please are more likely to be published than others.",
        "If results that are significant in the hoped-for direction are more likely to be published, the average of what "
        "can be found is too high. Nobody sees what was not published: models of it say how much would have to be missing.",
    ),
    Term(
        "specification",
        "Specification",
        r"specifications?",
        "One complete way to analyse the review, every choice made.",
        "One complete way to analyse the review, with every choice made: which results, which assumptions, which model. "
        "All combinations of the defensible choices together are called the multiverse.",
    ),
    Term(
        "simulated",
        "Simulated review",
        r"simulated reviews?",
        "Made-up results on this review's own design, of which the truth is known.",
        "Results made up by the fitted model on this review's own design (the same trials, sizes and dependence), so that "
        "the truth is known and one can count how often the analysis finds it.",
    ),
    Term(
        "surrogate",
        "Surrogate outcome",
        r"surrogates?(?: outcomes?)?",
        "A laboratory value that stands in for what patients notice.",
        "A laboratory value, such as an immune marker, that stands in for what people notice: illness, symptoms, "
        "survival. A better value does not prove better health.",
    ),
    Term(
        "logratio",
        "Log ratio of ratios",
        r"log ratios? of ratios",
        "The basis of the percent changes.",
        "Each group's value after treatment divided by its value before, the treated group's ratio divided by the "
        "control group's, and the logarithm of that. Pooled and turned back, it is a percent change.",
    ),
    Term(
        "moderator",
        "Moderator",
        r"moderators?",
        "A feature of trials that may explain why their effects differ.",
        "A feature of trials, such as mean age, that may explain why effects differ. Trials were not randomised to "
        "it, so a relation can have other reasons.",
    ),
    Term(
        "bias",
        "Risk of bias",
        r"risk of bias",
        "How likely the way a trial was done has distorted its result.",
        "A judgement, for each trial, of how likely the way it was done has distorted its result.",
    ),
    Term(
        "smallstudy",
        "Small-study effects",
        r"small-study (?:effects?|test)|funnel(?: plot)?",
        "Small trials showing larger effects than big ones.",
        "When small trials show larger effects than big ones. One reason is that small trials with dull results "
        "stay unpublished. In a funnel plot such trials are missing from one lower corner.",
    ),
    Term(
        "convenience",
        "Convenience sample",
        r"convenience sample",
        "Trials that were at hand, not the result of a systematic search.",
        "Trials that were at hand, not the result of a systematic search for all of them. The average over such a "
        "sample need not be the average over all trials.",
    ),
)


class Explainer:
    """Links each term to the glossary the first time that a page uses it. One per page."""

    def __init__(self, terms: tuple[Term, ...] = TERMS) -> None:
        self._open = {term.key: term for term in terms}
        self._pattern = re.compile("|".join(f"(?P<{t.key}>{t.pattern})" for t in terms))

    def __call__(self, text: str) -> Markup:
        """`text` escaped, with the first use of each term as a link."""
        done = Markup("")
        position = 0
        for match in self._pattern.finditer(text):
            term = self._open.pop(match.lastgroup or "", None)
            if term is None:
                continue
            done += escape(text[position : match.start()]) + self.link(term, match.group())
            position = match.end()
        return done + escape(text[position:])

    @staticmethod
    def link(term: Term, text: str) -> Markup:
        """A link from `text` to the term's entry."""
        return Markup('<a class="term" href="#term-{}" title="{}">{}</a>').format(term.key, term.short, text)
