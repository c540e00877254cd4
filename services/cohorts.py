"""Cohorts as they are kept: named definitions of a project, which filters of all its reports may name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from columns.properties import Property
from services.context import Context
from services.errors import Conflict, InvalidInput, NotFound
from services.fields import FieldParser, format_stored_time, parse_fields, parse_text
from services.project_documents import ProjectCollection, pack_json, show_json, unpack_json
from services.reports.cohort import Cohort, parse_definition
from services.reports.cohort_property import CohortProperty
from stores.base import Document

COHORTS: Final = ProjectCollection("cohorts", "cohort", most=500)
MAX_NAMED: Final = 10
"""Cohorts that one report may name: each is a query of its own."""


def parse_description(value: object) -> str | None:
    """Text for people; None (JSON null) for none."""
    return None if value is None else parse_text(value, max_length=2000)


def parse_kept_definition(value: object) -> str:
    """A definition that is right, as it is stored."""
    parse_definition(value)
    return pack_json(value)


FIELDS: dict[str, FieldParser] = {
    "name": partial(parse_text, max_length=200),
    "description": parse_description,
    "definition": parse_kept_definition,
}


def create_cohort(context: Context, project_key: str, fields: Mapping[str, Any], *, now_ms: int) -> Document:
    """A new cohort."""
    values = parse_fields(fields, FIELDS, required=("name", "definition"))
    return COHORTS.insert(context, project_key, {"description": None, **values}, now_ms=now_ms)


def update_cohort(
    context: Context, project_key: str, cohort_id: str, fields: Mapping[str, Any], *, now_ms: int
) -> Document:
    """The cohort with these fields changed."""
    document = COHORTS.fetch(context, project_key, cohort_id)
    return COHORTS.update(context, document, parse_fields(fields, FIELDS), now_ms=now_ms)


def fetch_named(
    context: Context, project_key: str, properties: Iterable[Property]
) -> tuple[tuple[str, Cohort], ...]:
    """The cohorts that a request's properties name, by id. Raises InvalidInput naming the field for an unknown one."""
    found: dict[str, Cohort] = {}
    for prop in properties:
        if not isinstance(prop, CohortProperty):
            continue
        for cohort_id in prop.ids:
            if cohort_id not in found:
                found[cohort_id] = _fetch_definition(context, project_key, cohort_id, prop.named_in)
        if len(found) > MAX_NAMED:
            raise InvalidInput(f"a report names at most {MAX_NAMED} cohorts", fields=["filters"])
    return tuple(sorted(found.items(), key=lambda named: named[0]))


def forget_person(context: Context, project_key: str, is_person: Callable[[str], bool], *, now_ms: int) -> None:
    """Take a person out of the lists of the project's cohorts. May be repeated."""
    for document in COHORTS.list(context, project_key):
        try:
            _take_out(context, document, is_person, now_ms=now_ms)
        except NotFound:
            continue  # deleted meanwhile


def _take_out(context: Context, document: Document, is_person: Callable[[str], bool], *, now_ms: int) -> None:
    while (left := leave_out(document, is_person)) is not None:
        try:
            COHORTS.update(context, document, {"definition": left}, now_ms=now_ms, unchanged=("definition",))
            return
        except Conflict:
            document = COHORTS.fetch(context, document["projectKey"], document["id"])


def leave_out(document: Document, is_person: Callable[[str], bool]) -> str | None:
    """The definition without the person, as it is stored; None where it does not list him."""
    listed = unpack_json(document["definition"]).get("userIds", [])
    left = [user_id for user_id in listed if not is_person(user_id)]
    return None if len(left) == len(listed) else pack_json({"userIds": left})


def _fetch_definition(context: Context, project_key: str, cohort_id: str, field: str) -> Cohort:
    try:
        document = COHORTS.fetch(context, project_key, cohort_id)
    except NotFound:
        raise InvalidInput(
            f"{field}: there is no such cohort in this project", code="unknown_cohort", fields=[field]
        ) from None
    return parse_definition(unpack_json(document["definition"]))


def format_cohort(document: Document) -> dict[str, Any]:
    """The cohort as the API shows it."""
    return {**format_entry(document), "definition": show_json(document["definition"])}


def format_entry(document: Document) -> dict[str, Any]:
    """The cohort as a list shows it: without its definition, which may name thousands of persons."""
    return {
        "id": document["id"],
        "name": document["name"],
        "description": document["description"],
        "createdAt": format_stored_time(document["createdAt"]),
        "updatedAt": format_stored_time(document["updatedAt"]),
    }
