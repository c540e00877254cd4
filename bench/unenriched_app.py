"""The service without enrichment, to measure what that costs: events are stored as they came."""

from __future__ import annotations

from typing import Any

from app import create_app
from services.ingest import complete


def find_nothing(**event: Any) -> dict[str, Any]:
    return {}


setattr(complete, "enrich", find_nothing)  # noqa: B010 - a name that the module only imports
app = create_app()
