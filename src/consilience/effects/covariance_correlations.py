"""Covariance between correlations of one sample (COR, UCOR, ZCOR) in the rows of a table of effects."""

from __future__ import annotations

import numpy as np

from .correlation_matrices import correlation_covariance

CORRELATIONS = ("COR", "UCOR", "ZCOR")


def correlations_linked(
    y: np.ndarray,
    n: np.ndarray,
    sample: np.ndarray,
    variables: tuple[np.ndarray, np.ndarray],
    *,
    fisher_z: bool,
) -> np.ndarray:
    """(m, m) correlation between the estimates of one study.

    Parameters
    ----------
    y : (m,) correlations, or their Fisher z. n : (m,) sample sizes. sample : (m,) labels; rows of different samples
        are independent.
    variables : (m,) labels of the first and of the second variable of each.

    Returns
    -------
    (m, m) : Cov(r, r') / sqrt(Var Var') as in `correlation_covariance`, times sqrt(min(n, n')/max(n, n')) where the fewer
    people of one correlation are among the more of another. NaN where a correlation that it needs is not in the table.

    Source: Olkin & Siotani (1976); Steiger (1980), Psychol Bull 87:245.
    """
    r = np.tanh(y) if fisher_z else y
    out = np.zeros((len(y), len(y)))
    for label in dict.fromkeys(sample.tolist()):
        rows = np.flatnonzero(sample == label)
        # the size cancels in the correlation of two estimates
        cov = correlation_covariance(
            r[rows], variables[0][rows], variables[1][rows], 100.0, fisher_z=fisher_z
        )
        scale = np.sqrt(np.diag(cov))
        people = np.sqrt(np.minimum.outer(n[rows], n[rows]) / np.maximum.outer(n[rows], n[rows]))
        with np.errstate(divide="ignore", invalid="ignore"):
            part = cov / np.outer(scale, scale) * people
        np.fill_diagonal(part, 1.0)
        out[np.ix_(rows, rows)] = part
    return out
