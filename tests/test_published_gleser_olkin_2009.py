"""Gleser & Olkin (2009), Stochastically dependent effect sizes, in The Handbook of Research Synthesis (2nd ed.), 357-376.

Treatments compared with one control group: rates of quitting smoking, three studies. Data and differences of
proportions: page 360, table 19.2; estimates: page 361, eq. 19.6; their covariance: page 361, eq. 19.7.
"""

from __future__ import annotations

import numpy as np

from consilience.effects.measures import effect_size
from consilience.effects.sampling_covariance import Links, fill_blocks
from consilience.models import fit
from consilience.records import Spec
from published_data import one_each, rounded

STUDY = np.array(["1", "1", "2", "3", "3", "3"], dtype=object)
TREATMENT = np.array(["1", "2", "1", "1", "2", "3"], dtype=object)
CONTROL_QUIT = np.array([40, 40, 10, 150, 150, 150])
CONTROL_N = np.array([1000, 1000, 200, 2000, 2000, 2000])
TREATED_QUIT = np.array([100, 150, 15, 40, 80, 50])
TREATED_N = np.array([4000, 4000, 400, 1000, 1000, 1000])


def test_quitting_smoking() -> None:
    # the chapter takes control minus treatment
    counts = {"ai": CONTROL_QUIT, "n1i": CONTROL_N, "ci": TREATED_QUIT, "n2i": TREATED_N}
    alone = effect_size("RD", counts, study=STUDY)
    effects = fill_blocks(alone, Links(group1=np.array(["control"] * 6, dtype=object), group2=TREATMENT))
    assert rounded(effects.y, 4) == [0.0150, 0.0025, 0.0125, 0.0350, -0.0050, 0.0250]
    found = fit(effects, Spec((), "EE", "z"), design=one_each(TREATMENT))
    assert rounded(found.coefficients.estimate, 4) == [0.0200, 0.0043, 0.0211]
    expected = [[24.612, 19.954, 13.323], [19.954, 28.538, 13.255], [13.323, 13.255, 69.806]]
    assert rounded(found.coefficients.covariance * 1e6, 3) == rounded(expected, 3)
