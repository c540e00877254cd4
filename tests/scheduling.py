"""A pytest plugin: which tests stay together when xdist runs them side by side.

xdist's own way, `--dist loadgroup` with marks, groups nothing under pytest 9.2: it writes the group into an attribute
of tests that pytest does not read any more.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ONE_GROUP = ("tests/browser/",)
"""All tests of these folders run in one worker: a second browser would take what the others need."""
GROUPED_BY_FILE = (
    "tests/e2e/", "tests/api/test_permissions.py", "tests/api/test_bad_input.py", "tests/api/test_garbage.py",
)
"""Tests of one of these files share what is expensive to make: in two workers it would be made twice."""


def find_group(test: str) -> str:
    """Tests of the same group run in the same worker, one after the other; most are alone in theirs."""
    if test.startswith(ONE_GROUP):
        return next(folder for folder in ONE_GROUP if test.startswith(folder))
    return test.partition("::")[0] if test.startswith(GROUPED_BY_FILE) else test


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out whole groups, the largest first, to whoever has nothing left to do."""

    def _split_scope(self, nodeid: str) -> str:
        return find_group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling | None:
    return GroupScheduling(config, log) if config.getvalue("dist") == "load" else None
