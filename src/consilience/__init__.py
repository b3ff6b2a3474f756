"""Consilience: from a folder of randomised trials to an answer, with every number traceable to a trial.

Names load when they are first used, so that importing the package stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .records import display

__version__ = "0.1.0"

_PUBLIC = {
    "run": "review.run",
    "load": "review.load",
    "explain": "review.explain",
    "analyse": "review.run",
    "mark": "review.selection",
    "pooled_rows": "review.selection",
    "init": "review.init",
    "copy_example": "datasets",
    "examples": "datasets",
    "trial_effects": "effects",
    "trial_ratios": "effects",
    "effect_size": "effects.measures",
    "read_back": "effects.measures",
    "readings": "effects.readings",
    "fill_blocks": "effects.sampling_covariance",
    "working_covariance": "effects.working_covariance",
    "reported_from": "data.dataframe",
    "design_matrix": "data.formula",
    "new_rows": "data.formula",
    "explained_variance": "models",
    "multivariate_i2": "models",
    "fit": "models",
    "compiled": "likelihood.compiled",
    "predict": "models",
    "gosh": "diagnostics.gosh",
    "gosh_clusters": "diagnostics.gosh_clusters",
    "highlight": "diagnostics.gosh",
    "permutation_interval": "diagnostics.permutation_interval",
    "permutation_test": "diagnostics.permutation",
    "picture": "plots",
    "copas": "diagnostics.selection",
    "p_curve": "diagnostics.selection",
    "p_uniform": "diagnostics.selection",
    "p_uniform_star": "diagnostics.selection",
    "selection_bootstrap": "diagnostics.selection",
    "selection_interval": "diagnostics.selection",
    "selection_model": "diagnostics.selection",
    "worst_case": "diagnostics.selection",
    "z_curve": "diagnostics.selection",
    "study_averages": "models",
    "wald_test": "inference",
    "contrasts": "inference",
    "heterogeneity_intervals": "inference",
    "heteroscedasticity_test": "inference",
    "robust_coefficients": "inference",
    "fit_many": "models",
    "likelihood_ratio_test": "models",
    "mantel_haenszel": "models",
    "peto_odds_ratio": "models",
    "profile": "models",
    "profile_interval": "models",
    "profile_parameters": "models",
    "refit_many": "models",
    "row_residuals": "models",
    "shrunken_effects": "models",
    "study_weights": "models",
    "term_effects": "models",
    "write_report": "report",
    "all_tables": "tables",
    "show": "tables",
    "asymmetry_test": "diagnostics.small_study",
    "baujat": "diagnostics",
    "bootstrap": "models",
    "calibrate": "diagnostics.calibrate",
    "collinearity": "diagnostics",
    "cumulative": "diagnostics",
    "excess_significance": "diagnostics.small_study",
    "fail_safe_n": "diagnostics.small_study",
    "funnel": "diagnostics.small_study",
    "hat_matrix": "diagnostics",
    "influence": "diagnostics",
    "jackknife": "models",
    "leave_one_out": "diagnostics",
    "limit_meta": "diagnostics.small_study",
    "multiverse": "review.multiverse",
    "normal_quantiles": "diagnostics",
    "pet_peese": "diagnostics.small_study",
    "radial": "diagnostics",
    "residuals": "diagnostics",
    "simulate": "models",
    "study_power": "diagnostics.small_study",
    "trim_and_fill": "diagnostics.small_study",
    "uwls": "diagnostics.small_study",
    "waap_wls": "diagnostics.small_study",
    "wild_bootstrap": "models",
    "wild_bootstrap_interval": "models",
    "Analysis": "records",
    "Baujat": "records",
    "Block": "records",
    "Bootstrap": "records",
    "Calibration": "records",
    "Coefficients": "records",
    "Collinearity": "records",
    "Components": "records",
    "CopasFit": "records.selection",
    "Cumulative": "records",
    "Dependence": "records",
    "Design": "records",
    "Effects": "records",
    "Estimate": "records",
    "Explanation": "records",
    "Fit": "records",
    "FitStatistics": "records",
    "Gosh": "records",
    "GoshClusters": "records",
    "Heterogeneity": "records",
    "HeterogeneityIntervals": "records",
    "Influence": "records",
    "Inner": "records",
    "InputError": "base.errors",
    "Intercept": "records",
    "Interval": "records",
    "Jackknife": "records",
    "Known": "records",
    "LeaveOneOut": "records",
    "Links": "effects.sampling_covariance",
    "MultiverseResult": "records",
    "Note": "records",
    "Optimum": "records",
    "OptionError": "base.errors",
    "PCurve": "records.selection",
    "PUniform": "records.selection",
    "Pattern": "effects.working_covariance",
    "PermutationInterval": "records",
    "PermutationTest": "records",
    "Plan": "records",
    "Prediction": "records",
    "PublicationRule": "records",
    "Quantiles": "records",
    "Radial": "records",
    "Refits": "records",
    "Reported": "records",
    "Residuals": "records",
    "Scale": "records",
    "SelectionBootstrap": "records.selection",
    "SelectionModel": "records.selection",
    "Shared": "records",
    "Slopes": "records",
    "Spec": "records",
    "StudyAverages": "records",
    "TestResult": "records",
    "WildBootstrap": "records",
    "WildInterval": "records",
    "WorstCase": "records.selection",
    "ZCurve": "records.selection",
}

__all__ = sorted([*_PUBLIC, "__version__"])  # noqa: PLE0605 - derived from the table above


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


def _show(record: Any) -> str:
    return str(__getattr__("show")(record))


def _show_html(record: Any) -> str:
    return str(import_module(".tables", __name__).show_html(record))


display.register("text", _show)
display.register("html", _show_html)
