"""The answer without each study."""

from __future__ import annotations

from ...records import Fit, LeaveOneOut
from .cases import cases_of
from .selections import refitted


def leave_one_out(fit: Fit, *, by: str = "study", coefficient: str = "") -> LeaveOneOut:
    """The fit without each effect (``by="effect"``), study or level of a column, in one batch, all variances anew.

    Estimates, intervals and tests are those of the fit's own test. A case that cannot be left out has a `reason`.

    Parameters
    ----------
    coefficient : which coefficient figures show; "" = the first.

    Raises InputError ``unknown-column``, OptionError for an unknown coefficient.
    """
    cases = cases_of(fit.effects, by)
    return LeaveOneOut(label=cases.label, by=cases.by, **refitted(fit, cases.keep, coefficient=coefficient))
