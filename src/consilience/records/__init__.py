"""The vocabulary: frozen records that verbs take and return. numpy only, no numerics beyond derived properties."""

from .analysis import (
    Analysis,
    Bound,
    Course,
    Estimate,
    Paragraph,
    Provenance,
    Question,
    Reading,
    Scenario,
    StudyAverage,
    Tipping,
)
from .columns import Columns
from .design import Design
from .effects import Block, Dropped, Effects
from .explanation import ExplainedEffect, Explanation, PrintedCell, PrintedRow, Step, Way
from .fit import (
    Coefficients,
    Components,
    Fit,
    FitStatistics,
    Heterogeneity,
    HeterogeneityIntervals,
    Interval,
    Optimum,
    Prediction,
    StudyAverages,
    TestResult,
)
from .note import Note
from .plan import Correlation, Decision, Dependence, Imputation, Instrument, Moderator, OutcomeRule, Plan
from .refits import Refits
from .reported import Reported
from .spec import Inner, Intercept, Known, Scale, Slopes, Spec, Structure, Term
from .table import Table, TableColumn

__all__ = [
    "Analysis",
    "Block",
    "Bound",
    "Coefficients",
    "Columns",
    "Components",
    "Correlation",
    "Course",
    "Decision",
    "Dependence",
    "Design",
    "Dropped",
    "Effects",
    "Estimate",
    "ExplainedEffect",
    "Explanation",
    "Fit",
    "FitStatistics",
    "Heterogeneity",
    "HeterogeneityIntervals",
    "Imputation",
    "Inner",
    "Instrument",
    "Intercept",
    "Interval",
    "Known",
    "Moderator",
    "Note",
    "Optimum",
    "OutcomeRule",
    "Paragraph",
    "Plan",
    "Prediction",
    "PrintedCell",
    "PrintedRow",
    "Provenance",
    "Question",
    "Reading",
    "Refits",
    "Reported",
    "Scale",
    "Scenario",
    "Slopes",
    "Spec",
    "Step",
    "Structure",
    "StudyAverage",
    "StudyAverages",
    "Table",
    "TableColumn",
    "Term",
    "TestResult",
    "Tipping",
    "Way",
]
