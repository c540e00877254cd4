"""The application under test on each store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pipeline import Pipeline, open_pipeline

STORES = ["embedded", "mongodb"]


@pytest.fixture(scope="session", params=STORES)
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """One application for all examples; each makes projects of its own. Small limits, so that segments fill."""
    mongo_uri = request.getfixturevalue("mongodb_uri") if request.param == "mongodb" else None
    with open_pipeline(tmp_path_factory.mktemp(request.param), mongo_uri, seal_events=20, segment_events=15) as opened:
        yield opened
