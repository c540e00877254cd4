"""The way of a batch into the store: validated, its rejections kept, its events enriched and committed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services import rejections, telemetry
from services.context import Context
from services.ingest.complete import complete_events
from services.ingest.decode import Batch
from services.ingest.origin import NO_ORIGIN, Origin
from services.ingest.validate import EventLimits, validate_batch
from services.ingest.verdicts import SIZE_CODES, BatchWarning, Rejection, Verdicts
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


def record_batch(
    context: Context, project: Project, batch: Batch, *, received_at_ms: int, origin: Origin = NO_ORIGIN
) -> BatchResult:
    """Store what can be stored of the batch; on return it is committed, and so are the rejections.

    `origin`: whose user agent and address the events have that name none.

    Raises InvalidInput or TooLarge for a context that cannot be used, Unavailable when too much is waiting,
    StoreUnavailable. After any of them the same batch may be sent again; events that carry an id are stored once.
    """
    config = context.config
    limits = EventLimits(max_bytes=config.max_event_bytes, max_depth=config.max_event_depth)
    verdicts = validate_batch(batch, project.project_key, received_at_ms=received_at_ms, limits=limits)
    if verdicts.rejections:
        # First: if this fails nothing is stored, and a retry does not store events without an id twice.
        rejections.keep_rejections(context, project, verdicts.rejections, received_at_ms=received_at_ms)
    events = complete_events(verdicts.events, project, origin, context.geo, number_known(batch, verdicts))
    stored = context.committer.submit(events)
    accepted = sum(stored)
    if accepted:
        context.copy.note_arrivals(project.project_key, accepted, epoch=project.data_epoch)
        context.bell.ring(project.project_key)
    duplicates = len(stored) - accepted
    telemetry.record_ingest(accepted=accepted, duplicates=duplicates, rejected=len(verdicts.rejections))
    return BatchResult(accepted, duplicates, verdicts.rejections, verdicts.warnings)


def number_known(batch: Batch, verdicts: Verdicts) -> dict[int, dict[str, Any]]:
    """`batch.enriched` of the accepted events, by their place among these."""
    if not batch.enriched:
        return {}
    rejected = {rejection.index for rejection in verdicts.rejections}
    accepted = [index for index in range(len(batch.events)) if index not in rejected]
    return {place: batch.enriched[index] for place, index in enumerate(accepted) if index in batch.enriched}
