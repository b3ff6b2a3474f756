"""Reliability, genotypes and effect sizes that are given as such."""

from __future__ import annotations

import numpy as np

from ..arrays import only
from .cells import added
from .measure import Inputs, Options, Pair


def alpha(inputs: Inputs, options: Options) -> Pair:
    a, k, n = inputs["alpha"], inputs["items"], inputs["n"]
    return a, only(n > 2, 2 * k * (1 - a) ** 2 / ((k - 1) * (n - 2)))


def alpha_hakstian_whalen(inputs: Inputs, options: Options) -> Pair:
    a, k, n = inputs["alpha"], inputs["items"], inputs["n"]
    rest = np.cbrt(1 - a)
    return 1 - rest, only(n > 1, 18 * k * (n - 1) * rest**2 / ((k - 1) * (9 * n - 11) ** 2))


def alpha_bonett(inputs: Inputs, options: Options) -> Pair:
    a, k, n = inputs["alpha"], inputs["items"], inputs["n"]
    return -np.log(1 - a), only(n > 2, 2 * k / ((k - 1) * (n - 2)))


def heterozygosity(inputs: Inputs, options: Options) -> Pair:
    a, b, c = inputs["homozygous1"], inputs["heterozygous"], inputs["homozygous2"]
    plus = added((a == 0) | (b == 0) | (c == 0), options)
    a, b, c = a + plus, b + plus, c + plus
    return np.log(b) - np.log(2) - (np.log(a) + np.log(c)) / 2, 1 / b + 1 / (4 * a) + 1 / (4 * c)


def given(inputs: Inputs, options: Options) -> Pair:
    return inputs["y"], inputs["v"]
