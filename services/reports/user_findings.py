"""What a person's events tell, found out of one part of them after another.

Of few events DuckDB takes longer to plan such aggregates (25 ms) than all else takes; of many, a part at a time is in
memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from columns.properties import COLUMNS
from services.reports.session import GAP_MS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

LATEST: Final = (
    "browser", "browserVersion", "os", "osVersion", "deviceType", "screen", "country", "region", "city",
)  # fmt: skip
"""Properties of which the latest value is shown."""
READ: Final = (
    "event_name", "epoch_ms(occurred_at) AS ms", "anonymous_id", "user_id", "session_id", "passes",
    "in_range AND session_id IS NULL AS is_unnamed",
    *(COLUMNS[name] for name in LATEST),
)  # fmt: skip
"""SQL of the columns that `Findings.add` takes, of `Population.build_marked_sql`. Without event_id, which would take as
long as all else, and hardly ever matters."""


class Findings:
    """What the events added so far tell; nothing yet: zeros, and None."""

    def __init__(self, *, moments: int, before_ms: int | None) -> None:
        """`moments`: how many times of events to keep, the last ones before `before_ms` (None: of all)."""
        self.events = 0
        """In the population or not, as are those behind the next two."""
        self.is_identified = False
        self.anonymous_ids: set[str] = set()
        self.counts: Counter[str] = Counter()
        """Event name -> events that pass."""
        self.first_ms: int | None = None
        self.last_ms: int | None = None
        self.moments: list[int] = []
        """When the last events that pass happened, sorted."""
        self._most_moments, self._before_ms = moments, before_ms
        self._session_ids: set[str] = set()
        self._unnamed: list[pa.RecordBatch] = []
        self._latest: dict[str, tuple[int, set[str]]] = {}

    def add(self, events: pa.RecordBatch) -> None:
        """Take further events into account."""
        self.events += events.num_rows
        self.is_identified |= events["user_id"].null_count < events.num_rows
        self.anonymous_ids.update(list_distinct(events["anonymous_id"]))
        self._unnamed.append(select(events, "is_unnamed").select(["ms", "passes"]))
        self._add_passing(select(events, "passes"))

    def _add_passing(self, events: pa.RecordBatch) -> None:
        if not events.num_rows:
            return
        import pyarrow.compute as pc

        for counted in pc.value_counts(events["event_name"]).to_pylist():
            self.counts[counted["values"]] += counted["counts"]
        self._session_ids.update(list_distinct(events["session_id"]))
        self._add_times(events["ms"].to_numpy())
        for name in LATEST:
            self._add_values(name, events.select([COLUMNS[name], "ms"]).drop_null())

    def _add_times(self, times: np.ndarray) -> None:
        import numpy as np

        first_ms, last_ms = int(times.min()), int(times.max())
        self.first_ms = first_ms if self.first_ms is None else min(self.first_ms, first_ms)
        self.last_ms = last_ms if self.last_ms is None else max(self.last_ms, last_ms)
        shown = times if self._before_ms is None else times[times < self._before_ms]
        last = np.sort(np.concatenate([np.array(self.moments, np.int64), shown]))[-self._most_moments :]
        self.moments = last.tolist()

    def _add_values(self, name: str, events: pa.RecordBatch) -> None:
        """Take the values of a property at the last time it has any."""
        if not events.num_rows:
            return
        import pyarrow.compute as pc

        values, times = events.columns
        ms: int = pc.max(times).as_py()
        last_ms, _ = kept = self._latest.get(name, (ms, set()))
        if ms >= last_ms:
            found = list_distinct(values.filter(pc.equal(times, ms)))
            self._latest[name] = (ms, {*found, *(kept[1] if ms == last_ms else ())})

    def list_latest(self) -> dict[str, list[str]]:
        """Property -> its values at the last time it has any, mostly one; those without any are missing."""
        return {name: sorted(self._latest[name][1]) for name in LATEST if name in self._latest}

    def count_sessions(self) -> int:
        """Sessions with an event that passes: named by the client, or formed by pauses."""
        return len(self._session_ids) + count_formed_sessions(self._unnamed)


def select(events: pa.RecordBatch, flag: str) -> pa.RecordBatch:
    """The events of which a flag, never null, is set."""
    return events.filter(events[flag].storage.cast("bool"))


def list_distinct(values: pa.Array) -> Sequence[Any]:
    """Each value once, without null."""
    return list(values.drop_null().unique().to_pylist())


def count_formed_sessions(parts: Sequence[pa.RecordBatch]) -> int:
    """Sessions with an event that passes, of those that pauses form of events (`ms`, `passes`)."""
    import numpy as np

    if not parts:
        return 0
    times = np.concatenate([part["ms"].to_numpy() for part in parts])
    passes = np.concatenate([part["passes"].storage.to_numpy() for part in parts])
    order = np.argsort(times)
    sorted_times = times[order]
    numbers = np.cumsum(np.diff(sorted_times, prepend=sorted_times[:1]) > GAP_MS)
    return len(np.unique(numbers[passes[order] != 0]))
