"""Hypothesis profiles, and the application under test on each store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.pipeline import Pipeline, open_pipeline

COMMON: dict[str, Any] = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
# Shrinking a stream takes minutes: only `thorough` does it.
QUICK_PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
settings.register_profile("default", max_examples=60, phases=QUICK_PHASES, **COMMON)
settings.register_profile("thorough", max_examples=2000, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

STORES = ["embedded", "mongodb"]


@pytest.fixture(scope="session", params=STORES)
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """One application for all examples; each makes projects of its own. Small limits, so that segments fill."""
    mongo_uri = request.getfixturevalue("mongodb_uri") if request.param == "mongodb" else None
    with open_pipeline(tmp_path_factory.mktemp(request.param), mongo_uri, seal_events=20, segment_events=15) as opened:
        yield opened
