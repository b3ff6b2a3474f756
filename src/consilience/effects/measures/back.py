"""Effects back on the scale that readers use, as each measure declares it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.errors import InputError
from ..back_scales import transform
from ..back_sizes import inverse_freeman_tukey
from .registry import find_measure

NEEDS_SIZE = "inverse-freeman-tukey"


def read_back(measure: str, value: Any, *, n: Any = None) -> np.ndarray:
    """Estimates and limits of a measure back-transformed: ln OR to OR, Fisher's z to r, logit to proportion ...

    Parameters
    ----------
    measure : short name; value : (n,) on the measure's scale. A measure that is read as it is comes back unchanged.
    n : sample sizes, for the double arcsine only.

    Raises
    ------
    OptionError : unknown measure. InputError ``missing-column`` : the double arcsine without sizes.
    """
    found = find_measure(measure)
    if found.back == NEEDS_SIZE:
        if n is None:
            raise InputError(
                f"{found.id} ({found.name}) is read back with the sample sizes.",
                code="missing-column",
                advice="Give n; for a pooled estimate the harmonic mean of the sizes is customary.",
            )
        return inverse_freeman_tukey(value, n)
    return transform(value, found.back) if found.back else np.asarray(value, dtype=float)
