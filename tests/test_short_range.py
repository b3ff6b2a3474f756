"""The range of a spatial term where the likelihood is flat below the smallest distance, with a top beside the flat part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from consilience import Block, Effects, Inner, Spec, design_matrix, fit

Y = np.array(
    [
        0.832,
        0.658,
        0.483,
        0.613,
        0.012,
        0.02,
        0.269,
        -0.177,
        -0.221,
        0.793,
        1.296,
        0.103,
        -0.151,
        0.614,
        0.294,
        0.452,
        0.964,
        0.979,
        0.585,
        0.208,
        0.251,
        0.487,
        -0.164,
    ]
)
V = np.array(
    [
        0.295,
        0.144,
        0.023,
        0.068,
        0.201,
        0.296,
        0.073,
        0.039,
        0.145,
        0.223,
        0.223,
        0.094,
        0.114,
        0.197,
        0.054,
        0.247,
        0.141,
        0.045,
        0.085,
        0.039,
        0.158,
        0.13,
        0.114,
    ]
)
STUDY = np.array([0, 0, 0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8, 9, 9, 9, 10, 10, 11, 12, 12, 13, 13])
PLACE = np.array(
    [
        "p0",
        "p0",
        "p1",
        "p2",
        "p4",
        "p0",
        "p5",
        "p1",
        "p2",
        "p5",
        "p3",
        "p4",
        "p4",
        "p3",
        "p2",
        "p0",
        "p3",
        "p5",
        "p2",
        "p2",
        "p3",
        "p2",
        "p0",
    ],
    dtype=object,
)
OUTCOME = np.array(
    [
        "a",
        "b",
        "c",
        "a",
        "a",
        "a",
        "b",
        "a",
        "a",
        "a",
        "a",
        "b",
        "a",
        "a",
        "b",
        "c",
        "a",
        "b",
        "a",
        "a",
        "b",
        "a",
        "b",
    ],
    dtype=object,
)
X = np.array(
    [
        0.05,
        0.95,
        0.41,
        0.73,
        0.63,
        -1.13,
        -0.3,
        -0.52,
        2.09,
        0.11,
        1.05,
        -0.19,
        0.25,
        0.56,
        -0.75,
        -0.64,
        0.42,
        0.46,
        1.1,
        -0.53,
        0.84,
        1.02,
        -0.39,
    ]
)
DISTANCES = [
    4.81,
    4.37,
    5.32,
    2.8,
    6.36,
    8.71,
    4.99,
    4.77,
    6.87,
    9.52,
    4.34,
    6.26,
    7.46,
    10.74,
    3.57,
]  # above the diagonal, by rows


def test_the_top_beside_the_flat_part_is_found() -> None:
    """All eight climbs ended where the range is zero, 9e-4 in log-likelihood below R's rma.mv()."""
    distance = np.zeros((6, 6))
    distance[np.triu_indices(6, 1)] = DISTANCES
    blocks = []
    for study in range(14):
        rows = np.flatnonzero(study == STUDY)
        matrix = 0.5 * np.sqrt(np.outer(V[rows], V[rows]))
        matrix[np.diag_indices(len(rows))] = V[rows]
        blocks.append(Block(rows, matrix))
    columns = {"place": PLACE, "outcome": OUTCOME, "x": X, "one": np.full(len(Y), "all", dtype=object)}
    effects = Effects(Y, V, STUDY.astype(object), blocks=tuple(blocks), columns=columns)
    places = tuple(f"p{i}" for i in range(6))
    term = Inner("place", "one", "SPEXP", distance=distance + distance.T, labels=places)
    design = design_matrix("0 + outcome + outcome:x", columns)
    found = fit(effects, Spec((term,), "REML", "z"), design=design)
    grid = [
        fit(effects, Spec((replace(term, correlation=(float(x),)),), "REML", "z"), design=design).loglik
        for x in np.geomspace(0.05, 20, 30)
    ]
    assert found.loglik > max(grid) - 1e-9
    assert found.optimum.status == "converged"
    assert 0.4 < found.components.correlations["place|one: range"] < 1
