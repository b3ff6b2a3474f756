"""The vocabulary: frozen records that verbs take and return. numpy only, no numerics beyond derived properties."""

from .analysis import (
    Analysis,
    Bound,
    Course,
    Estimate,
    Paragraph,
    Provenance,
    Question,
    Scenario,
    StudyAverage,
    Tipping,
)
from .columns import Columns
from .design import Design
from .effects import Block, Dropped, Effects
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
from .plan import Correlation, Decision, Moderator, OutcomeRule, Plan
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
    "Design",
    "Dropped",
    "Effects",
    "Estimate",
    "Fit",
    "FitStatistics",
    "Heterogeneity",
    "HeterogeneityIntervals",
    "Inner",
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
    "Provenance",
    "Question",
    "Reported",
    "Scale",
    "Scenario",
    "Slopes",
    "Spec",
    "Structure",
    "StudyAverage",
    "StudyAverages",
    "Table",
    "TableColumn",
    "Term",
    "TestResult",
    "Tipping",
]
