"""What the service adds to events before they are stored: what they leave open, and what can be found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.enrich import GeoReader, enrich
from services.ingest.origin import Origin
from services.ip_policy import apply_ip_policy
from services.projects import Project
from stores.base import Event


def complete_events(
    events: Sequence[Event], project: Project, origin: Origin, geo: GeoReader, known: Mapping[int, dict[str, Any]]
) -> list[Event]:
    """The events with the origin's user agent and address where they name none, enriched, and with their addresses as
    the project wants them stored. `known`: by place, what an event was enriched with before."""
    completed = []
    for place, event in enumerate(events):
        user_agent = origin.user_agent if event.user_agent is None else event.user_agent
        ip = origin.ip if event.ip is None else event.ip
        enriched = known.get(place) or enrich(
            url=event.url, referrer=event.referrer, user_agent=user_agent, ip=ip, metadata=event.metadata,
            own_domain=project.domain, geo=geo,
        )  # fmt: skip
        stored_ip = apply_ip_policy(project.ip_policy, ip)
        completed.append(msgspec.structs.replace(event, user_agent=user_agent, ip=stored_ip, enriched=enriched))
    return completed
