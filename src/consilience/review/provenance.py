"""Where the numbers come from: inputs, versions, protocol, and the lines that reproduce them."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version

from ..records import Plan, Provenance

PACKAGES = ("consilience", "numpy", "scipy")


def provenance(plan: Plan, *, inputs: Mapping[str, str], protocol: str) -> Provenance:
    """Nothing in it depends on the clock, the folder or the machine beyond the versions that compute."""
    versions = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: version(name) for name in PACKAGES},
    }
    return Provenance(dict(sorted(inputs.items())), versions, plan.seed, protocol, SCRIPT)


SCRIPT = '''\
"""Reproduces the answer: run it beside a copy of the review folder (first argument; default ".")."""

import sys

import consilience

review = consilience.load(sys.argv[1] if len(sys.argv) > 1 else ".")
analysis = consilience.analyse(review)
print(analysis)

# The same step by step: effects, primary fit
effects = consilience.trial_effects(review.reported, review.plan)
pooled = consilience.pooled_rows(consilience.mark(effects, review.plan))
print(consilience.fit(pooled, consilience.Spec.che(level=review.plan.level)))
'''
