"""What makes a report: each module of a report has one of these as `REPORT`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from columns.properties import Property
from services.fields import FieldParser
from services.reports.filters import Filter
from services.reports.population import Population
from services.reports.request import ReportRequest


@dataclass(frozen=True)
class Report:
    """A report as `run.run_report` needs it."""

    name: str
    """As in its path, `/v1/reports/<name>`."""
    fields: Mapping[str, FieldParser]
    """Its own parameters, besides those that every report takes."""
    parse: Callable[[dict[str, Any]], Any]
    """From the parsed fields to `ReportRequest.parameters`, whose repr is part of the cache key."""
    compute: Callable[[Population, ReportRequest], dict[str, Any]]
    list_rows: Callable[[dict[str, Any]], list[dict[str, Any]]]
    """The result as rows, for CSV."""
    columns: tuple[str, ...]
    """Names of the columns of `list_rows`."""
    required: tuple[str, ...] = ()
    list_filters: Callable[[Any], tuple[Filter, ...]] = lambda parameters: ()
    """Filters that the report's own parameters stand for."""
    list_properties: Callable[[Any], tuple[Property, ...]] = lambda parameters: ()
    """Properties that it reads besides those of the filters."""
    uses_now: bool = False
    """It depends on what is over by now: `ReportRequest.now_ms` is set, in whole minutes."""
    has_body: bool = False
    """Its parameters are too rich for a query: POST only."""
