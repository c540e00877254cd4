"""The way of a batch into the store: validated, its rejections kept, its events committed."""

from __future__ import annotations

from dataclasses import dataclass

from services import rejections, telemetry
from services.context import Context
from services.ingest.decode import Batch
from services.ingest.validate import EventLimits, validate_batch
from services.ingest.verdicts import SIZE_CODES, BatchWarning, Rejection
from services.projects import Project


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of the events of a batch; the three counts add up to their number."""

    accepted: int
    """Stored now."""
    duplicates: int
    """Stored before, under the same id; what is stored stays as it is."""
    rejected: list[Rejection]
    warnings: list[BatchWarning]

    @property
    def is_refused(self) -> bool:
        """Whether nothing of the batch could be stored."""
        return bool(self.rejected) and not self.accepted and not self.duplicates

    @property
    def is_refused_for_size(self) -> bool:
        """Whether every event was over a limit of size or depth."""
        return self.is_refused and all(rejection.code in SIZE_CODES for rejection in self.rejected)


def record_batch(context: Context, project: Project, batch: Batch, *, received_at_ms: int) -> BatchResult:
    """Store what can be stored of the batch; on return it is committed, and so are the rejections.

    Raises InvalidInput or TooLarge for a context that cannot be used, Unavailable when too much is waiting,
    StoreUnavailable. After any of them the same batch may be sent again; events that carry an id are stored once.
    """
    config = context.config
    limits = EventLimits(max_bytes=config.max_event_bytes, max_depth=config.max_event_depth)
    verdicts = validate_batch(batch, project.project_key, received_at_ms=received_at_ms, limits=limits)
    if verdicts.rejections:
        # First: if this fails nothing is stored, and a retry does not store events without an id twice.
        rejections.keep_rejections(context, project.project_key, verdicts.rejections, received_at_ms=received_at_ms)
    stored = context.committer.submit(verdicts.events)
    accepted = sum(stored)
    duplicates = len(stored) - accepted
    telemetry.record_ingest(accepted=accepted, duplicates=duplicates, rejected=len(verdicts.rejections))
    return BatchResult(accepted, duplicates, verdicts.rejections, verdicts.warnings)
