"""Whether the columnar copy holds exactly the events of the store.

Both sides are reduced to a count and the exclusive-or of a 128-bit digest of every event, which no order affects. Ids
are unique in the store, so equal counts and equal digests are the same events, up to a chance of 1 in 10^38.
"""

from __future__ import annotations

from hashlib import md5
from typing import NamedTuple

from columns.derived import ENRICHED_COLUMNS, FLAG_COLUMNS, find_page, parse_enriched
from columns.snapshot import CopyChanged, QueryTooLarge, Snapshot
from services import clock
from services.context import Context
from services.projects import Project
from stores.base import ArrivalRow

SEPARATOR = "\x1f"
ABSENT = "\x00"
CLIENT_COLUMNS = ("anonymous_id", "user_id", "session_id", "url", "referrer", "user_agent", "ip")
ENRICHED_TEXTS = tuple(name for name in ENRICHED_COLUMNS if name not in FLAG_COLUMNS)
REPAIR = "run `flask copy rebuild`"


class Verdict(NamedTuple):
    """Whether copy and store agree, and a sentence about what was found."""

    is_equal: bool
    finding: str


class Digest(NamedTuple):
    """How many events, and the exclusive-or of their digests (0 for none)."""

    events: int
    xor: int


def compare_with_store(context: Context, project: Project) -> Verdict:
    """Compare the number of events in each segment, then all that is stored of each event.

    Events that arrive meanwhile are left out: what is compared is what was settled at the start. A segment with a wrong
    number of events is dropped on the way, to be made anew. Raises StoreUnavailable.
    """
    import duckdb  # as the engine does: only when it is needed

    project_key = project.project_key
    settled = context.store.settled_position(project_key, now_ms=clock.fetch_now_ms())
    try:
        if not context.copy.audit(project_key):
            return Verdict(False, "a segment had another number of events than the store; it is made anew on next use")
        snapshot = context.copy.fetch_snapshot(project_key, epoch=project.data_epoch)
        copied = fetch_copy_digest(context, snapshot, settled)
    except QueryTooLarge as exc:
        return Verdict(False, f"cannot be compared: {exc}; raise REPORT_MEMORY_MB")
    except (CopyChanged, duckdb.Error, OSError) as exc:
        return Verdict(False, f"a file cannot be read; {REPAIR} ({str(exc).splitlines()[0]})")
    stored = fetch_store_digest(context, project_key, settled)
    if copied.events != stored.events:
        return Verdict(False, f"{stored.events} events in the store, {copied.events} in the copy; {REPAIR}")
    if copied.xor != stored.xor:
        return Verdict(False, f"{stored.events} events on both sides, but not the same; {REPAIR}")
    return Verdict(True, f"{stored.events} events in {len(snapshot.segments)} segments and the tail")


def fetch_store_digest(context: Context, project_key: str, stop: int) -> Digest:
    """Of the project's events before a position, in the store."""
    count, xor = 0, 0
    for rows in context.store.scan(project_key, 0, stop):
        count += len(rows)
        for row in rows:
            # DuckDB's md5_number reads the digest as a little-endian number.
            xor ^= int.from_bytes(md5(build_text(row).encode(), usedforsecurity=False).digest(), "little")
    return Digest(count, xor)


def build_text(row: ArrivalRow) -> str:
    """All that is stored of an event and has a column in the copy."""
    occurred_at = None if row.occurred_at_ms is None else str(row.occurred_at_ms)
    enriched = parse_enriched(row.enriched)
    texts = (
        row.event_id, row.event_name, occurred_at, str(row.received_at_ms),
        row.anonymous_id, row.user_id, row.session_id, row.url, row.referrer, row.user_agent, row.ip, row.metadata,
        *(getattr(enriched, name) for name in ENRICHED_TEXTS), str(enriched.is_bot).lower(), find_page(row.url),
    )  # fmt: skip
    return SEPARATOR.join([ABSENT if text is None else text for text in texts])


def fetch_copy_digest(context: Context, snapshot: Snapshot, stop: int) -> Digest:
    """Of the events before a position, in a snapshot of the copy."""
    columns, enriched = [
        ", ".join(f"coalesce({name}, $absent)" for name in names) for names in (CLIENT_COLUMNS, ENRICHED_TEXTS)
    ]
    text = f"""concat_ws($separator, event_id, event_name, coalesce(epoch_ms(occurred_at)::VARCHAR, $absent),
        epoch_ms(received_at)::VARCHAR, {columns}, coalesce(metadata, '{{}}'),
        {enriched}, is_bot::VARCHAR, coalesce(page, $absent))"""
    parameters: dict[str, object] = {"separator": SEPARATOR, "absent": ABSENT, "stop": stop}
    sources = []
    if snapshot.segments:
        parameters["files"] = [str(snapshot.directory / segment.file) for segment in snapshot.segments]
        sources.append("read_parquet($files, union_by_name = true)")
    if snapshot.tail is not None:
        sources.append("tail")
    if not sources:
        return Digest(0, 0)
    select = f"SELECT md5_number({text}) AS digest FROM"
    digests = " UNION ALL ".join(f"{select} {source} WHERE position < $stop" for source in sources)
    sql = f"SELECT count(*), coalesce(bit_xor(digest), 0) FROM ({digests})"
    ((count, xor),) = context.copy.query(snapshot, sql, parameters)
    return Digest(count, int(xor))
