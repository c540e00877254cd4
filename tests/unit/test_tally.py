"""How often whole numbers come is counted however they are added."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest

from services.reports import tally
from services.reports.tally import Tally


@pytest.mark.parametrize("least_merged", [1, 20, 1_000_000])
def test_numbers_are_counted_in_however_many_parts_they_come(
    monkeypatch: pytest.MonkeyPatch, least_merged: int
) -> None:
    monkeypatch.setattr(tally, "LEAST_MERGED", least_merged)
    random, counted, expected = Random(1), Tally(), Counter[int]()
    for _ in range(30):
        part = [random.choice([0, 1, 2**63 - 1, random.randrange(40)]) for _ in range(random.randrange(20))]
        counted.add(np.array(part, np.int64))
        expected.update(part)
    numbers, counts = counted.sum_up()
    assert list(zip(numbers.tolist(), counts.tolist(), strict=True)) == sorted(expected.items())


def test_of_nothing_there_are_no_counts() -> None:
    numbers, counts = Tally().sum_up()
    assert (len(numbers), len(counts)) == (0, 0)
