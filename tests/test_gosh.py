"""Subsets of studies: brute force, R's figures, clusters, figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import consilience
from consilience.base.errors import InputError, OptionError
from consilience.diagnostics.gosh import gosh, highlight
from consilience.diagnostics.gosh_clusters import gosh_clusters
from consilience.models import fit
from consilience.plots import picture
from consilience.records import Design, Effects, Fit, Spec
from plots_checks import assert_sound

# metafor 3.8-1 gosh() in R 4.2.2; the file names the versions
R: dict[str, Any] = json.loads(
    Path(__file__).with_name("published").joinpath("gosh_bcg_r.json").read_text(encoding="utf-8")
)


def effects(y: np.ndarray, v: np.ndarray) -> Effects:
    return Effects(y, v, np.array([f"study {i + 1}" for i in range(len(y))], dtype=object))


def model(k: int = 9, seed: int = 1, *, method: str = "REML", outlier: int | None = None) -> Fit:
    rng = np.random.default_rng(seed)
    v = rng.uniform(0.02, 0.1, k)
    y = rng.normal(0.2, np.sqrt(v + 0.01))
    if outlier is not None:
        y[outlier] = 2.5
    return fit(effects(y, v), Spec.random_effects(method))  # type: ignore[arg-type]


@pytest.mark.parametrize("case", ["REML", "DL", "EE", "moderator"])
def test_as_in_r(case: str) -> None:
    data = effects(np.array(R["yi"]), np.array(R["vi"]))
    design = None
    if case == "moderator":
        design = Design(np.column_stack([np.ones(7), R["ablat"]]), ("intercept", "ablat"))
    spec = Spec.equal_effects() if case == "EE" else Spec.random_effects("REML" if case == "REML" else "DL")
    ours = gosh(fit(data, spec, design=design))
    theirs = R["cases"][case]
    place = {
        tuple(bits): i
        for i, bits in enumerate(
            np.stack([ours.includes(s) for s in ours.studies], axis=1).astype(int).tolist()
        )
    }
    compared = 0
    for i, bits in enumerate(theirs["included"]):
        if (
            theirs["estimate"][i] is None
        ):  # R leaves out as many studies as coefficients, where there are moderators
            continue
        at = place[tuple(bits)]
        for name in ("estimate", "tau2", "i2", "q"):
            assert getattr(ours, name)[at] == pytest.approx(theirs[name][i], rel=1e-6, abs=1e-6), name
        compared += 1
    assert compared == (99 if case == "moderator" else 127)
    assert len(ours) == len(theirs["included"])


def test_random_subsets_are_single_fits() -> None:
    whole = model(12, 2)
    found = gosh(whole, subsets=500, rng=np.random.default_rng(5))
    assert not found.every
    assert found.seed == 5
    assert len(found) == 500
    for i in range(0, 500, 25):
        rows = np.array([found.includes(s)[i] for s in found.studies])
        one = fit(whole.effects.take(rows), whole.spec)
        assert found.estimate[i] == pytest.approx(one.coefficients.estimate[0], rel=1e-9)
        assert found.tau2[i] == pytest.approx(one.components.total, rel=1e-8, abs=1e-11)


def test_subsets_of_studies_in_a_multilevel_model() -> None:
    rng = np.random.default_rng(3)
    study = np.repeat(np.array([f"s{i}" for i in range(6)], dtype=object), 2)
    v = rng.uniform(0.02, 0.1, 12)
    whole = fit(Effects(rng.normal(0.3, 0.4, 12), v, study), Spec.che())
    found = gosh(whole)
    assert len(found) == 63
    at = int(np.flatnonzero(found.includes("s1") & found.includes("s4") & found.includes("s5"))[0])
    rows = np.isin(study, [s for s in found.studies if found.includes(s)[at]])
    one = fit(whole.effects.take(rows), whole.spec)
    assert found.estimate[at] == pytest.approx(one.coefficients.estimate[0], rel=1e-6)


def test_an_outlier_splits_the_subsets() -> None:
    found = gosh(model(11, 4, outlier=6))
    clusters = gosh_clusters(found, clusters=2, rng=np.random.default_rng(1))
    assert len(clusters.clusters) == 2
    assert {c.studies[0] for c in clusters.clusters} == {"study 7"}
    assert clusters.clusters[1].difference[0] > 0.95
    assert sum(c.share for c in clusters.clusters) == pytest.approx(1.0)
    chosen = gosh_clusters(found, rng=np.random.default_rng(1))
    assert min(chosen.bic, key=lambda c: chosen.bic[c]) > 1
    assert "study 7" in str(chosen)
    assert_sound(picture(chosen))


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("split", [0, 1, 2])
def test_figure(k: int, split: int) -> None:
    found = gosh(model(k))
    record = highlight(found, *found.studies[:split])
    layout = picture(record)
    assert_sound(layout)
    assert len(layout.twin.rows) == max(1, 2 * split)
    assert "subsets" in str(record)


def test_figure_of_many_studies() -> None:
    found = gosh(model(500), subsets=300, rng=np.random.default_rng(1))
    assert_sound(picture(highlight(found, "study 1", "study 500")))
    assert "... and 470 that change less." in str(found)


def test_many_subsets_are_kept_in_single_precision() -> None:
    found = gosh(model(21, method="EE"), subsets=2**21)
    assert found.every
    assert len(found) == 2**21 - 1
    assert found.estimate.dtype == np.float32


def test_few_subsets_are_divided_into_fewer_clusters() -> None:
    found = gosh_clusters(gosh(model(5)), rng=np.random.default_rng(1))
    assert set(found.bic) == {1, 2, 3}  # 31 subsets


def test_clusters_of_an_ordinary_review_are_said_to_be_usual() -> None:
    found = gosh_clusters(gosh(model(8)), rng=np.random.default_rng(1))
    assert len(found.clusters) > 1  # though no study is odd
    assert "also where no study is odd" in " ".join(str(found).split())


def test_what_is_refused() -> None:
    whole = model(12)
    with pytest.raises(InputError, match="needs a generator") as error:
        gosh(whole, subsets=100)
    assert error.value.code == "rng-needed"
    with pytest.raises(InputError) as error:
        gosh(whole, subsets=2**25)
    assert error.value.code == "subsets"
    found = gosh(model(3))
    with pytest.raises(InputError) as error:
        gosh_clusters(found, clusters=3, rng=np.random.default_rng(1))
    assert error.value.code == "clusters"
    assert str(error.value).startswith(
        "7 subsets cannot be divided into 3 clusters: there must be at least one"
    )
    with pytest.raises(OptionError):
        highlight(found, "study 99")
    with pytest.raises(InputError):
        highlight(found, "study 1", "study 2", "study 3")


def test_progress_and_public_names() -> None:
    steps: list[tuple[int, int]] = []
    consilience.gosh(model(5), progress=lambda stage, done, total: steps.append((done, total)))
    assert steps[-1] == (31, 31)
