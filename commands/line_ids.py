"""Ids for imported lines that have none, made from what the line says, so that importing it again adds nothing."""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b

DIGEST_BYTES = 16
BUCKET_BYTES = 2
FINGERPRINT_BYTES = 6


class LineIds:
    """The ids of one import. Identical lines are told apart by counting them: two in one import are two events.

    An id is `line-<BLAKE2b-128 of the content, hexadecimal>`, for the n-th identical line with `-<n>` behind it. The
    same lines get the same ids in whatever order they come.

    Which lines came already is kept in 8 bytes a line: 48 bits of the digest in one of 65,536 buckets, named by
    16 further bits. Should two lines ever share these 64 bits, the later one counts as a repetition; its id is still
    its own, since it holds the whole digest.
    """

    def __init__(self) -> None:
        self._buckets: defaultdict[bytes, bytearray] = defaultdict(bytearray)
        self._repeated: dict[bytes, int] = {}

    def build_id(self, content: bytes) -> str:
        """The id of the next line with this content."""
        digest = blake2b(content, digest_size=DIGEST_BYTES).digest()
        occurrence = self._count_occurrence(digest[: BUCKET_BYTES + FINGERPRINT_BYTES])
        return f"line-{digest.hex()}" if occurrence == 1 else f"line-{digest.hex()}-{occurrence}"

    def _count_occurrence(self, key: bytes) -> int:
        bucket, fingerprint = self._buckets[key[:BUCKET_BYTES]], key[BUCKET_BYTES:]
        position = bucket.find(fingerprint)
        while position % FINGERPRINT_BYTES and position != -1:  # found across the border of two fingerprints
            position = bucket.find(fingerprint, position + 1)
        if position == -1:
            bucket += fingerprint
            return 1
        self._repeated[key] = self._repeated.get(key, 1) + 1
        return self._repeated[key]
