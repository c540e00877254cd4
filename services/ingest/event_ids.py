"""Ids for events that came without one."""

from __future__ import annotations

import random
from collections.abc import Callable

_IDS_PER_PREFIX = 1 << 16


def build_id_source(now_ms: int) -> Callable[[], str]:
    """A function that gives a new UUIDv7 (RFC 9562) at each call, in ascending order.

    Time-ordered, so that inserts into the index of ids stay local. The last 16 bits count, 58 bits before them are
    random per source: two sources of one millisecond meet with a chance of about 1 in 10^17.
    """
    issued = 0
    prefix = ""

    def next_id() -> str:
        nonlocal issued, prefix
        count = issued & 0xFFFF
        if not count:
            prefix = _build_prefix(now_ms + issued // _IDS_PER_PREFIX)
        issued += 1
        return f"{prefix}{count:04x}"

    return next_id


def _build_prefix(ms: int) -> str:
    time_hex = f"{ms & (1 << 48) - 1:012x}"
    # Ids must differ, they need not be secret; asking the kernel would hand the interpreter to another thread.
    bits = random.getrandbits(58)
    version_group = f"{0x7000 | bits >> 46:04x}"
    variant_group = f"{0x8000 | bits >> 32 & 0x3FFF:04x}"
    return f"{time_hex[:8]}-{time_hex[8:]}-{version_group}-{variant_group}-{bits & 0xFFFFFFFF:08x}"
