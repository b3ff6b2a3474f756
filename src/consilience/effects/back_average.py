"""Averages and modes of a transformed normal: what the mean true effect is on the scale that readers use."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import floats, only
from .back_scales import transform

REACH = 10.0  # half-width of the integration in SDs; beyond it a normal has 1e-23
PANELS = 20
ENDS = {"squared-sine": (0.0, np.pi / 2), "inverse-cube": (0.0, 1.0), "complement-exp": (0.0, np.inf)}
NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)


def average_of_transformed(mean: Any, tau2: Any, name: str) -> np.ndarray:
    """E f(Z) for Z ~ N(mean, tau2) and f one of `TRANSFORMS`: f(mean) is the median only.

    Composite Gauss-Legendre over 10 SDs each side; exact for ``exp``. Where the scale has ends (an arcsine lies
    between 0 and pi/2, a transformed reliability above 0) the normal is cut off there and renormalised.

    Parameters
    ----------
    mean : (n,) average true effect; tau2 : (n,) variance of true effects.

    Source: Hafdahl (2009), Br J Math Stat Psychol 62:233, for Fisher's z; general expectation otherwise.
    """
    mean, tau2 = floats(mean, tau2)
    if name == "exp":
        with np.errstate(over="ignore"):
            return only(tau2 >= 0, np.exp(mean + tau2 / 2))
    tau = np.sqrt(only(tau2 > 0, tau2))
    bottom, top = ENDS.get(name, (-np.inf, np.inf))
    first = np.maximum((bottom - mean) / tau, -REACH)[..., None]
    last = np.minimum((top - mean) / tau, REACH)[..., None]
    grid = first + (last - first) * np.linspace(0.0, 1.0, PANELS + 1)
    width = np.diff(grid, axis=-1)[..., None]
    z = grid[..., :-1, None] + width * (NODES + 1) / 2
    mass = np.exp(-(z**2) / 2) * width * WEIGHTS
    values = transform(mean[..., None, None] + tau[..., None, None] * z, name)
    with np.errstate(invalid="ignore", divide="ignore"):
        average = np.sum(values * mass, axis=(-2, -1)) / np.sum(mass, axis=(-2, -1))
    return np.where(tau2 == 0, transform(mean, name), average)


def mode_of_transformed(mean: Any, tau2: Any, name: str) -> np.ndarray:
    """The most likely value of f(Z), Z ~ N(mean, tau2), for f = ``exp``, ``tanh`` or ``expit``.

    exp(mean - tau2); for the others z solves z = mean + tau2 g(z), g = 2 tanh z (tanh) or tanh(z/2) (expit), where
    the density of f(Z) is highest, by Newton steps from the mean; unique and right for tau2 < 1/2 (tanh) or 2 (expit);
    above that the density has several modes and the result is NaN.
    """
    mean, tau2 = floats(mean, tau2)
    if name == "exp":
        return only(tau2 >= 0, np.exp(mean - tau2))
    if name not in ("tanh", "expit"):
        raise ValueError(f"no mode is known for {name!r}; there are exp, tanh and expit")
    # g(z) = size tanh(z/scale), slope size/scale at 0
    size, scale = (2.0, 1.0) if name == "tanh" else (1.0, 2.0)
    valid = (tau2 >= 0) & (tau2 * size / scale < 1)
    spread = np.where(valid, tau2, 0.0)
    z = mean + 0.0
    for _ in range(200):
        bend = np.tanh(z / scale)
        step = (z - mean - spread * size * bend) / (1 - spread * size / scale * (1 - bend**2))
        z = z - step
        if np.all(np.abs(step) <= 1e-15 * (1 + np.abs(z)) + np.where(np.isnan(z), np.inf, 0.0)):
            break
    return only(valid, transform(z, name))
