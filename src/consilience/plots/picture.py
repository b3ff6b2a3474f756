"""The figures of single records (influence, selection model, multiverse ...): record -> Layout -> file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..base.errors import InputError
from ..base.options import choose
from ..io.atomic import write_atomic
from ..records import (
    Baujat,
    Bootstrap,
    Collinearity,
    Cumulative,
    Gosh,
    GoshClusters,
    Influence,
    Jackknife,
    LeaveOneOut,
    MultiverseResult,
    PermutationInterval,
    PermutationTest,
    Quantiles,
    Radial,
    Residuals,
    WildBootstrap,
    WildInterval,
)
from ..records.calibration import Calibration
from ..records.selection import (
    CopasFit,
    PCurve,
    PUniform,
    SelectionBootstrap,
    SelectionModel,
    WorstCase,
    ZCurve,
)
from ..records.small_study import Funnel, LimitMeta, PetPeese, StudyPower, TrimAndFill
from .calibration import coverage_figure, power_figure
from .copas import copas_contours, copas_figure, residual_asymmetry
from .funnel_record import contour_funnel, limit_funnel, pet_peese_funnel, trim_and_fill_funnel
from .gosh import driving_studies, gosh_density
from .influence import influence_panels
from .joint_null import joint_null
from .layout import Layout
from .movement import movement_bars
from .p_values import p_curve_figure, p_uniform_figure, z_curve_figure
from .permutation import permutation_distribution, permutation_range
from .raster import figure_png
from .refitted import cumulative_forest, leave_one_out_forest
from .resampled import (
    bootstrap_distributions,
    jackknife_runs,
    selection_distributions,
    wild_distribution,
    wild_p_values,
)
from .residual_plots import (
    KINDS,
    baujat_plot,
    collinearity_plot,
    quantiles_plot,
    radial_plot,
    residuals_plot,
)
from .selection import corrected_effects, selection_function, significance_funnel
from .specification_curve import specification_curve
from .sunset import sunset
from .svg import figure_svg
from .twin import text_twin

# record type -> kind of figure -> what lays it out; the first kind is the default
PICTURES: Mapping[type, Mapping[str, Callable[[Any], Layout]]] = {
    Baujat: {"baujat": baujat_plot},
    Collinearity: {"collinearity": collinearity_plot},
    Cumulative: {"forest": cumulative_forest},
    Influence: {"panels": influence_panels},
    LeaveOneOut: {"forest": leave_one_out_forest},
    Quantiles: {"quantiles": quantiles_plot},
    Radial: {"radial": radial_plot},
    Residuals: {kind: partial(residuals_plot, kind=kind) for kind in KINDS},
    MultiverseResult: {"curve": specification_curve, "movement": movement_bars, "joint": joint_null},
    Calibration: {"coverage": coverage_figure, "power": power_figure},
    Funnel: {"contours": contour_funnel},
    StudyPower: {"sunset": sunset},
    TrimAndFill: {"funnel": trim_and_fill_funnel},
    LimitMeta: {"funnel": limit_funnel},
    PetPeese: {"funnel": pet_peese_funnel},
    Gosh: {"density": gosh_density},
    GoshClusters: {"studies": driving_studies},
    PermutationTest: {"distribution": permutation_distribution},
    PermutationInterval: {"interval": permutation_range},
    Bootstrap: {"distributions": bootstrap_distributions},
    Jackknife: {"left-out": jackknife_runs},
    WildBootstrap: {"distribution": wild_distribution},
    WildInterval: {"p-values": wild_p_values},
    CopasFit: {"copas": copas_figure, "contours": copas_contours, "residual": residual_asymmetry},
    PCurve: {"p-curve": p_curve_figure},
    PUniform: {"uniform": p_uniform_figure},
    SelectionBootstrap: {"distributions": selection_distributions},
    SelectionModel: {"selection-function": selection_function},
    WorstCase: {"significance-funnel": significance_funnel, "corrected": corrected_effects},
    ZCurve: {"z-curve": z_curve_figure},
}
FORMATS = (".svg", ".png", ".txt")


def picture(record: Any, kind: str = "", *, path: str | Path | None = None) -> Layout:
    """The figure of a record; written to `path` (.svg, .png, or .txt for its text twin) if one is given.

    Parameters
    ----------
    kind : which of the record's figures; "" = the first.

    Raises
    ------
    InputError ``no-picture`` for a record without a figure, ``picture-format`` for another ending of `path`;
    OptionError for an unknown kind.
    """
    kinds = PICTURES.get(type(record))
    if kinds is None:
        known = ", ".join(sorted(t.__name__ for t in PICTURES))
        raise InputError(
            f"There is no figure of a {type(record).__name__}; there are figures of: {known}.",
            code="no-picture",
        )
    layout = kinds[choose(kind, kinds, what="figure") if kind else next(iter(kinds))](record)
    if path is not None:
        _write(layout, Path(path))
    return layout


def _write(layout: Layout, path: Path) -> None:
    if path.suffix not in FORMATS:
        raise InputError(
            f'A figure can be written to {", ".join(FORMATS)}, not to "{path.name}".', code="picture-format"
        )
    if path.suffix == ".png":
        content = figure_png(layout)
    else:
        content = (figure_svg(layout) if path.suffix == ".svg" else text_twin(layout)).encode("utf-8")
    write_atomic(path, content)
