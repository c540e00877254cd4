"""Annotations: what happened on a day or at a moment, for those who read the charts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from services import clock
from services.context import Context
from services.errors import InvalidInput
from services.fields import FieldParser, format_stored_time, parse_fields, parse_moment_ms, parse_text
from services.project_documents import ProjectCollection
from services.project_fields import parse_timezone
from services.projects import Project
from services.time_range import find_day_start, parse_time_range
from stores.base import Document

ANNOTATIONS: Final = ProjectCollection("annotations", "annotation", most=5000)
TIMES: Final = ("date", "timestamp")


def parse_date(value: object) -> str:
    """A day of the calendar, in whatever zone it is shown. Not of the first and last year, which have days that are
    outside of the years 1 to 9999 in some zones."""
    try:
        if isinstance(value, str) and len(value) == len("2025-01-06"):
            day = date.fromisoformat(value)
            if date.min.year < day.year < date.max.year:
                return day.isoformat()
    except ValueError:
        pass
    raise ValueError("must be a date like 2025-01-06")


def parse_timestamp(value: object) -> str:
    """A moment, as it is stored."""
    return clock.format_ms_sortable(parse_moment_ms(value))


FIELDS: dict[str, FieldParser] = {
    "date": parse_date,
    "timestamp": parse_timestamp,
    "text": partial(parse_text, max_length=2000),
}
QUERY: dict[str, FieldParser] = {"from": lambda value: value, "to": lambda value: value, "tz": parse_timezone}


def create_annotation(context: Context, project_key: str, fields: Mapping[str, Any], *, now_ms: int) -> Document:
    """A new annotation, of a date or of a timestamp."""
    values = parse_fields(fields, FIELDS, required=("text",))
    if len(values.keys() & set(TIMES)) != 1:
        raise InvalidInput("Give date or timestamp, one of them", code="invalid_field", fields=list(TIMES))
    return ANNOTATIONS.insert(context, project_key, {**dict.fromkeys(TIMES), **values}, now_ms=now_ms)


def update_annotation(
    context: Context, project_key: str, annotation_id: str, fields: Mapping[str, Any], *, now_ms: int
) -> Document:
    """The annotation with these fields changed; a date replaces a timestamp and the other way round."""
    values = parse_fields(fields, FIELDS)
    given = values.keys() & set(TIMES)
    if len(given) == 2:
        raise InvalidInput("Give date or timestamp, one of them", code="invalid_field", fields=list(TIMES))
    document = ANNOTATIONS.fetch(context, project_key, annotation_id)
    replaced = dict.fromkeys(TIMES) if given else {}
    return ANNOTATIONS.update(context, document, {**replaced, **values}, now_ms=now_ms)


def list_annotations(context: Context, project: Project, fields: Mapping[str, Any]) -> list[Document]:
    """Those of the range, in order of time, a date at the beginning of its day, ties by id.

    `fields`: from?, to?, tz?, as in reports. Raises InvalidInput.
    """
    values = parse_fields(fields, QUERY)
    zone = ZoneInfo(values.get("tz", project.timezone))
    time_range = parse_time_range(values, zone)
    documents = ANNOTATIONS.list(context, project.project_key)
    found = [(find_ms(document, zone), document["id"], document) for document in documents]
    return [document for ms, _, document in sorted(found, key=lambda each: each[:2]) if time_range.holds(ms)]


def find_ms(document: Document, zone: ZoneInfo) -> int:
    """When it is: the first moment of the date in the zone, or the timestamp."""
    if document["date"] is None:
        return parse_moment_ms(document["timestamp"])
    return clock.to_ms(find_day_start(date.fromisoformat(document["date"]), zone))


def format_annotation(document: Document) -> dict[str, Any]:
    """The annotation as the API shows it."""
    return {
        "id": document["id"],
        "date": document["date"],
        "timestamp": format_stored_time(document["timestamp"]),
        "text": document["text"],
        "createdAt": format_stored_time(document["createdAt"]),
        "updatedAt": format_stored_time(document["updatedAt"]),
    }
