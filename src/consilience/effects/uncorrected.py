"""Effects as they are without the small-sample correction J: what some reviews pool instead of g."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..records import Dependence, Effects
from .assemble import Workings
from .dependence import NOTHING, with_covariance


def uncorrected(workings: Workings, rho: float, known: Dependence = NOTHING) -> Effects:
    """d = g/J and Var(d) = Var(g)/J^2 of every effect whose SD was estimated; the others stay as they are.

    Parameters
    ----------
    workings : of `trial_workings`; rho, known : see `with_covariance`, which fills the covariance anew.

    Source: Hedges (1981), eq. 6.
    """
    effects = workings.effects
    best = np.array([made.best for made in workings.made], dtype=np.intp)
    j = workings.sizes.j[best]
    parts = {name: effects[name] / j**2 for name in ("part_treatment", "part_control")}
    bare = replace(effects, y=effects.y / j, v=effects.v / j**2, columns={**effects.columns, **parts})
    return with_covariance(bare, rho, known)
