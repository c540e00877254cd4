"""Ids of imported lines that have none."""

from __future__ import annotations

from hashlib import blake2b
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from commands import line_ids
from commands.line_ids import LineIds


def test_the_id_is_the_digest_of_the_content_and_repetitions_are_numbered() -> None:
    ids = LineIds()
    digest = blake2b(b"a", digest_size=16).hexdigest()
    assert [ids.build_id(content) for content in (b"a", b"b", b"a", b"a")] == [
        f"line-{digest}",
        f"line-{blake2b(b'b', digest_size=16).hexdigest()}",
        f"line-{digest}-2",
        f"line-{digest}-3",
    ]


@given(st.lists(st.binary(max_size=1), max_size=60), st.randoms(use_true_random=False))
def test_every_line_gets_its_own_id_and_the_order_of_lines_changes_none(lines: list[bytes], random: Random) -> None:
    shuffled = list(lines)
    random.shuffle(shuffled)
    first, second = LineIds(), LineIds()
    ids = [first.build_id(line) for line in lines]
    assert len(set(ids)) == len(lines)
    assert sorted(ids) == sorted(second.build_id(line) for line in shuffled)


def test_a_fingerprint_found_across_the_border_of_two_others_is_not_taken_for_known() -> None:
    ids = LineIds()
    size = line_ids.FINGERPRINT_BYTES
    bucket, others = b"\0\0", [bytes(range(size)), bytes(range(size, 2 * size))]
    for fingerprint in others:
        assert ids._count_occurrence(bucket + fingerprint) == 1
    across = b"".join(others)[3 : 3 + size]
    assert ids._count_occurrence(bucket + across) == 1
    assert ids._count_occurrence(bucket + across) == 2
    assert [ids._count_occurrence(bucket + fingerprint) for fingerprint in others] == [2, 2]
