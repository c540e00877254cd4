"""Takes events away for good: all that a project holds about a person, or what is older than it keeps.

docs/architecture.md, Erasing persons and old events, has the protocol: what is stored in which order, and why a crash
or an outage at any point ends in a finished removal.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from columns.properties import Parameters
from columns.relation import build_events_sql
from columns.removals import REMOVALS, Removal, build_key
from columns.snapshot import Snapshot
from services import clock, cohorts, rejections
from services.context import Context
from services.errors import Conflict, Forbidden, NotFound, Unavailable
from services.projects import Project, fetch_project
from services.reports.run import fetch_from_snapshot
from stores.base import Document

MAX_ANONYMOUS_IDS = 200_000
"""Of one person: their keys must fit in one document."""
RESUME_AFTER = timedelta(minutes=1)
"""A removal that began so long ago is taken for one that was cut short; if it is not, nothing is harmed."""
KEEP_REMOVALS = timedelta(days=30)
"""Copies that were not used for so long are begun anew."""
CACHE_AWAY_RETRY_SECONDS = 10

_logger = logging.getLogger("apptracker.erasure")


@dataclass(frozen=True)
class Person:
    """Somebody as the reports of a moment see him, `stop` being a position after it. No events: nobody they know."""

    user_id: str
    key: str
    anonymous_ids: tuple[str, ...]
    """Of those of his events that have no userId."""
    event_count: int
    stop: int
    is_visitor: bool
    """Whether an anonymousId like the id can only mean him: no event of it is anybody else's."""

    @property
    def rejection_keys(self) -> tuple[frozenset[str], frozenset[str]]:
        """Keys of the userIds and of the anonymousIds by which rejected events name him."""
        anonymous = {build_key(each) for each in self.anonymous_ids} | ({self.key} if self.is_visitor else set())
        return frozenset({self.key}), frozenset(anonymous)


@dataclass(frozen=True)
class Erasure:
    """What was taken away."""

    events: int
    anonymous_ids: int
    rejections: int


def find_person(context: Context, project: Project, user_id: str) -> Person:
    """The person whom reports show by this id, over every event acknowledged before. Raises Conflict, Unavailable,
    StoreUnavailable."""
    key = build_key(user_id)

    def find(snapshot: Snapshot) -> Person:
        own = Parameters()
        events = build_events_sql(snapshot, own, person_key=UUID(key))
        rows = context.copy.query(snapshot, f"""
            SELECT CASE WHEN user_id IS NULL THEN anonymous_id END AS visitor, count(*) FROM ({events}) GROUP BY visitor
            LIMIT {MAX_ANONYMOUS_IDS + 2}""", own.values)  # fmt: skip
        visitors = tuple(sorted(visitor for visitor, _ in rows if visitor is not None))
        if len(visitors) > MAX_ANONYMOUS_IDS:
            message = f"Events of more than {MAX_ANONYMOUS_IDS} anonymousIds are this person's"
            raise Conflict(message, code="too_many_anonymous_ids")
        others = Parameters()
        events = build_events_sql(snapshot, others)
        known = f"SELECT 1 FROM ({events}) WHERE anonymous_id = {others.bind(user_id)} LIMIT 1"
        is_visitor = user_id in visitors or not context.copy.query(snapshot, known, others.values)
        return Person(user_id, key, visitors, sum(count for _, count in rows), snapshot.stop, is_visitor)

    return fetch_from_snapshot(context, project, find)[1]


def erase_person(context: Context, project: Project, user_id: str, *, now_ms: int) -> Erasure:
    """Take away the person's events and the rejected events that name him; on return no report holds them.

    Raises NotFound where there is nothing, Conflict, Unavailable, StoreUnavailable; after the latter two the erasure,
    if it had begun, is finished by upkeep.
    """
    finish_removals(context, project, now_ms=now_ms)
    person = find_person(context, project, user_id)
    if person.event_count:
        begin_removal(
            context, project.project_key, person.stop, now_ms=now_ms,
            personKey=person.key, anonKeys="".join(build_key(each) for each in person.anonymous_ids),
        )  # fmt: skip
    erased_rejections = rejections.erase_rejections(context, project.project_key, *person.rejection_keys)
    if person.event_count:
        finish_removals(context, project, now_ms=now_ms)
    elif erased_rejections:
        forget_in_cohorts(context, project.project_key, person.key, now_ms=now_ms)
        context.store.scrub()
    else:
        raise build_unknown()
    return Erasure(person.event_count, len(person.anonymous_ids), erased_rejections)


def build_unknown() -> NotFound:
    """The refusal for an id by which nothing is held."""
    return NotFound("There is nothing of a person with this id", code="unknown_user", fields=["userId"])


def is_named_in_rejections(context: Context, project: Project, person: Person) -> bool:
    """Whether a rejected event that is kept names the person."""
    found = rejections.find_rejections(context, project.project_key, *person.rejection_keys)
    return next(found, None) is not None


def begin_removal(context: Context, project_key: str, stop: int, *, now_ms: int, **what: Any) -> Removal:
    """Store that these events are to be removed: from here on they will be, whatever happens."""
    while True:
        document: Document = {
            "projectKey": project_key, "number": find_newest(context, project_key) + 1, "stop": stop, **what,
            "begunAt": clock.format_ms_sortable(now_ms), "doneAt": None, "clearedAt": None,
        }  # fmt: skip
        removal = msgspec.convert(document, Removal)
        if context.store.insert_document(REMOVALS, removal.document_id, document):
            return removal


def find_newest(context: Context, project_key: str) -> int:
    """Number of the project's last removal; 0 where there was none."""
    equals = {"projectKey": project_key}
    newest = context.store.find_documents(REMOVALS, equals, order_by="number", descending=True, limit=1)
    return int(newest[0]["number"]) if newest else 0


def finish_removals(context: Context, project: Project, *, now_ms: int) -> None:
    """Carry out the project's removals that are not cleared yet, in order. On return nothing holds what they took away,
    on this host and in shared caches. Raises Unavailable, StoreUnavailable."""
    open_removals = list_open(context, {"projectKey": project.project_key})
    for removal in open_removals:
        if removal.done_at is None:
            delete_events(context, project, removal, now_ms=now_ms)
            done = {"doneAt": clock.format_ms_sortable(now_ms)}
            context.store.update_document(REMOVALS, removal.document_id, done)
    if open_removals:
        clear_copies(context, project.project_key)
    for removal in open_removals:
        cleared = {"clearedAt": clock.format_ms_sortable(now_ms)}
        context.store.update_document(REMOVALS, removal.document_id, cleared)


def list_open(context: Context, equals: Document) -> list[Removal]:
    """Removals that are begun or not cleared, in order of project and number."""
    found = context.store.find_documents(REMOVALS, {**equals, "clearedAt": None})
    return [msgspec.convert(document, Removal) for document in found]


def delete_events(context: Context, project: Project, removal: Removal, *, now_ms: int) -> None:
    """Take the events of a removal out of the store, and the rejected events and lists that name its person.

    These go first: which ids the keys stand for is known only as long as events tell.
    """
    store, project_key = context.store, project.project_key
    if removal.person_key is not None:
        anonymous_keys = frozenset(removal.list_anon_keys())
        rejections.erase_rejections(context, project_key, frozenset({removal.person_key}), anonymous_keys)
        forget_in_cohorts(context, project_key, removal.person_key, now_ms=now_ms)
        user_id, anonymous_ids = find_ids(context, project, removal)
        store.erase_person(project_key, user_id, anonymous_ids, removal.stop)
    if removal.before_ms is not None:
        store.erase_before(project_key, removal.before_ms, removal.stop)


def find_ids(context: Context, project: Project, removal: Removal) -> tuple[str | None, list[str]]:
    """The userId and the anonymousIds that a removal's keys stand for, of the events that are left."""

    def find(snapshot: Snapshot) -> tuple[str | None, list[str]]:
        parameters = Parameters()
        events = build_events_sql(snapshot, parameters)
        keys, person = parameters.bind(removal.list_anon_keys()), parameters.bind(removal.person_key)
        rows = context.copy.query(snapshot, f"""
            SELECT DISTINCT user_id, CASE WHEN user_id IS NULL THEN anonymous_id END FROM ({events})
            WHERE (user_id IS NOT NULL AND md5_number(user_id)::UUID = {person}::UUID)
                OR (user_id IS NULL AND anonymous_id IS NOT NULL
                    AND md5_number(anonymous_id)::UUID IN (SELECT unnest({keys}::VARCHAR[])::UUID))""",
            parameters.values)  # fmt: skip
        user_ids = [user_id for user_id, _ in rows if user_id is not None]
        return (user_ids[0] if user_ids else None), [visitor for _, visitor in rows if visitor is not None]

    return fetch_from_snapshot(context, project, find)[1]


def clear_copies(context: Context, project_key: str) -> None:
    """Have nothing that was derived hold the removed events: the copy of this host, the cache, the store's own log."""
    context.copy.catch_up(project_key)
    context.copy.forget_memory(project_key)
    if not context.cache.forget(f"{project_key}:"):
        raise Unavailable(
            "The events are erased from all reports; copies of finished reports are deleted as soon as Redis is back",
            code="cache_away", retry_after_seconds=CACHE_AWAY_RETRY_SECONDS,
        )  # fmt: skip
    context.store.scrub()


def forget_in_cohorts(context: Context, project_key: str, person_key: str, *, now_ms: int) -> None:
    """Take the person out of the project's cohorts that are lists of persons."""
    cohorts.forget_person(context, project_key, lambda user_id: build_key(user_id) == person_key, now_ms=now_ms)


def resume_removals(context: Context, *, now_ms: int) -> int:
    """Finish the removals that were cut short, of all projects; how many projects had some. For upkeep."""
    latest = clock.format_ms_sortable(now_ms - RESUME_AFTER // clock.MILLISECOND)
    waiting = {removal.project_key for removal in list_open(context, {}) if removal.begun_at <= latest}
    for project_key in sorted(waiting):
        try:
            project = fetch_project(context, project_key)
        except Forbidden:  # erased by now, and its removals with it
            continue
        try:
            finish_removals(context, project, now_ms=now_ms)
        except Unavailable as exc:
            _logger.warning("A removal in project %s waits: %s", project_key, exc.message)
    return len(waiting)


def purge_removals(context: Context, project_keys: Sequence[str], *, now_ms: int) -> int:
    """Delete documents of removals that every copy in use has carried out long ago; how many. Each project's last
    stays, so that a copy which missed some can tell."""
    oldest, purged = clock.format_ms_sortable(now_ms - KEEP_REMOVALS // clock.MILLISECOND), 0
    for project_key in project_keys:
        documents = context.store.find_documents(REMOVALS, {"projectKey": project_key}, order_by="number")
        for document in documents[:-1]:
            if document["clearedAt"] is None or document["clearedAt"] >= oldest:
                break
            equals = {"projectKey": project_key, "number": document["number"]}
            purged += context.store.delete_documents(REMOVALS, equals)
    return purged


def format_erasure(erased: Erasure) -> dict[str, Any]:
    """What an erasure did, as the API shows it."""
    return {
        "erasedEvents": erased.events,
        "erasedAnonymousIds": erased.anonymous_ids,
        "erasedRejections": erased.rejections,
    }
