"""Cohorts: persons by what they did, or named one by one; as definitions, and as SQL.

A definition is about persons, not about a report's events: its conditions look at all the project's events that reports
count, whatever the range and the filters of the report are, but for `withinDays`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from columns.properties import Property
from services import clock
from services.errors import InvalidInput
from services.fields import FieldParser, parse_boolean, parse_choice, parse_fields, parse_whole_number
from services.relative_range import MINUTE_MS
from services.reports.cohort_property import CohortProperty
from services.reports.filters import Filter, parse_filters
from services.reports.request import ReportRequest, parse_event_name
from services.time_range import TimeRange

if TYPE_CHECKING:
    from services.reports.population import Population

MAX_CONDITIONS: Final = 20
MAX_PROPERTIES: Final = 20
"""Different properties in all filters of one definition."""
MAX_TIMES: Final = 1_000_000
MAX_DAYS: Final = 3660
MAX_USER_IDS: Final = 10_000
MAX_ID_LENGTH: Final = 1000
MATCHES: Final = ("all", "any")


@dataclass(frozen=True)
class Condition:
    """Having done something a number of times: events of this name (None: any) that pass the filters."""

    event_name: str | None
    filters: tuple[Filter, ...]
    at_least: int
    at_most: int | None
    """None: without limit."""
    within_days: int | None
    """Only events of so many days on the wall clock up to the end of the report's range; None: of all times."""
    is_negated: bool

    @property
    def needs_events(self) -> bool:
        """Whether it holds only for persons with such events."""
        return self.at_least > 0 and not self.is_negated


@dataclass(frozen=True)
class Cohort:
    """Persons for whom all the conditions hold, or any of them; or those with the ids."""

    conditions: tuple[Condition, ...] = ()
    needs_all: bool = True
    user_ids: tuple[str, ...] | None = None

    @property
    def depends_on_end(self) -> bool:
        """Whether it has other persons for a range that ends at another time."""
        return any(condition.within_days is not None for condition in self.conditions)

    @property
    def properties(self) -> tuple[Property, ...]:
        """Those that its filters read."""
        return tuple(dict.fromkeys(item.prop for condition in self.conditions for item in condition.filters))

    @property
    def needs_events(self) -> bool:
        """Whether a person without an event of any condition cannot be in it."""
        needs = [condition.needs_events for condition in self.conditions]
        return any(needs) if self.needs_all else all(needs)


@dataclass(frozen=True)
class DatedCohort:
    """A cohort as it is for ranges that end at a time, in a zone."""

    cohort: Cohort
    end_ms: int | None
    """None: it does not depend on it."""
    zone: ZoneInfo


def parse_definition(value: object, field: str = "definition") -> Cohort:
    """A cohort as JSON: `{match?, conditions}` or `{userIds}`. Raises InvalidInput naming what is wrong in it."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{field} must be an object with conditions or userIds", fields=[field])
    if "userIds" in value:
        return Cohort(user_ids=parse_members(value, {"userIds": parse_user_ids}, field)["userIds"])
    members: dict[str, FieldParser] = {"match": partial(parse_choice, choices=MATCHES), "conditions": parse_list}
    values = parse_members(value, members, field, required=("conditions",))
    cohort = Cohort(
        tuple(
            parse_condition(each, f"{field}.conditions[{number}]") for number, each in enumerate(values["conditions"])
        ),
        values.get("match", "all") == "all",
    )
    if len(cohort.properties) > MAX_PROPERTIES:
        message = f"a cohort reads at most {MAX_PROPERTIES} different properties"
        raise InvalidInput(message, code="invalid_field", fields=[f"{field}.conditions"])
    return cohort


def parse_members(
    value: Mapping[str, Any], parsers: Mapping[str, FieldParser], field: str, *, required: Sequence[str] = ()
) -> dict[str, Any]:
    """`parse_fields` of an object inside a body: errors name the members by where they stand."""
    try:
        return parse_fields(value, parsers, required=required)
    except InvalidInput as exc:
        shown = [f"{field}.{name}" for name in exc.fields]
        raise InvalidInput(f"{field}: {exc.message}", code=exc.code, fields=shown) from None


def parse_user_ids(value: object) -> tuple[str, ...]:
    """Ids of persons as reports show them; none are left where all of them were erased."""
    expected = f"must be a list of at most {MAX_USER_IDS} ids, texts of 1 to {MAX_ID_LENGTH} characters"
    if not isinstance(value, list) or len(value) > MAX_USER_IDS:
        raise ValueError(expected)
    if not all(isinstance(each, str) and 1 <= len(each) <= MAX_ID_LENGTH for each in value):
        raise ValueError(expected)
    return tuple(dict.fromkeys(value))


def parse_list(value: object) -> list[Any]:
    """A list of conditions, which are parsed later."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_CONDITIONS:
        raise ValueError(f"must be a list of 1 to {MAX_CONDITIONS} conditions")
    return value


CONDITION_FIELDS: Final[dict[str, FieldParser]] = {
    "eventName": parse_event_name,
    "filters": lambda value: value,
    "atLeast": partial(parse_whole_number, least=0, most=MAX_TIMES),
    "atMost": partial(parse_whole_number, least=0, most=MAX_TIMES),
    "withinDays": partial(parse_whole_number, least=1, most=MAX_DAYS),
    "negate": parse_boolean,
}


def parse_condition(value: object, field: str) -> Condition:
    """One condition: at least once, if it does not say how often."""
    if not isinstance(value, dict) or not value.keys() & {"eventName", "filters"}:
        raise InvalidInput(f"{field} must be an object with eventName, filters or both", fields=[field])
    values = parse_members(value, CONDITION_FIELDS, field)
    condition = Condition(
        event_name=values.get("eventName"),
        filters=parse_own_filters(values.get("filters", []), f"{field}.filters"),
        at_least=values.get("atLeast", 0 if values.get("atMost") == 0 else 1),
        at_most=values.get("atMost"),
        within_days=values.get("withinDays"),
        is_negated=values.get("negate", False),
    )
    if condition.at_most is None and condition.at_least == 0:
        raise InvalidInput(f"{field}.atLeast 0 needs atMost: everybody did it 0 times or more", fields=[field])
    if condition.at_most is not None and condition.at_most < condition.at_least:
        raise InvalidInput(f"{field}.atMost must not be less than atLeast", fields=[f"{field}.atMost"])
    return condition


def parse_own_filters(value: object, field: str) -> tuple[Filter, ...]:
    """Filters of a condition, which are about its events: other cohorts cannot be named."""
    if not isinstance(value, list):
        raise InvalidInput(f"{field} must be a list of filters", fields=[field])
    filters = parse_filters(value, field=field)
    for number, item in enumerate(filters):
        if isinstance(item.prop, CohortProperty):
            message = f"{field}[{number}] names a cohort: a cohort cannot be made of others"
            raise InvalidInput(message, fields=[f"{field}[{number}].property"])
    return filters


NamedCohorts = Sequence[tuple[str, Cohort]]
"""Cohorts by id."""


def depend_on_now(named: NamedCohorts, time_range: TimeRange, minute_ms: int) -> bool:
    """Whether who is in the cohorts depends on the present, whose minute began at `minute_ms`: the range has no end
    before that."""
    is_over = time_range.to_ms is not None and time_range.to_ms <= minute_ms
    return not is_over and any(cohort.depends_on_end for _, cohort in named)


def date_cohorts(request: ReportRequest, time_range: TimeRange) -> dict[str, DatedCohort]:
    """The cohorts of a request as they are for a range: at its end, or at the end of the present minute if that is
    earlier."""
    ends = [] if time_range.to_ms is None else [time_range.to_ms]
    if request.now_ms is not None:
        ends.append(request.now_ms + MINUTE_MS)
    end_ms = min(ends, default=None)
    return {cohort_id: DatedCohort(cohort, end_ms, request.zone) for cohort_id, cohort in request.cohorts}


def find_window(days: int | None, dated: DatedCohort) -> TimeRange:
    """When a condition's events count: days on the wall clock that end with the range; from the first event where that
    is before the year 1."""
    if days is None or dated.end_ms is None:
        return TimeRange()
    end = clock.from_ms(dated.end_ms).astimezone(dated.zone).replace(tzinfo=None)
    try:
        start_ms = clock.to_ms((end - timedelta(days=days)).replace(tzinfo=dated.zone))
        clock.from_ms(start_ms)
    except OverflowError:
        return TimeRange(None, dated.end_ms)
    return TimeRange(start_ms, dated.end_ms)


def build_membership_sql(prop: CohortProperty, cohorts: Mapping[str, DatedCohort], everything: Population) -> str:
    """SQL expression: whether `person` is in one of the cohorts; false for nobody.

    `everything` is the report's population without its range and filters, of whose query this is a part.
    """
    members = " UNION ALL ".join(build_members_sql(cohorts[cohort_id], everything) for cohort_id in prop.ids)
    return f"coalesce(person IN ({members}), false)"


def build_members_sql(dated: DatedCohort, everything: Population) -> str:
    """SELECT of the persons of a cohort."""
    cohort = dated.cohort
    if cohort.user_ids is not None:
        return f"(SELECT md5_number(unnest({everything.bind(list(cohort.user_ids))}::VARCHAR[]))::UUID)"
    windows = [find_window(condition.within_days, dated) for condition in cohort.conditions]
    seen = replace(
        everything, properties=cohort.properties, range=join_windows(windows) if cohort.needs_events else TimeRange()
    )
    done = [
        build_done_sql(condition, window, seen)
        for condition, window in zip(cohort.conditions, windows, strict=True)
    ]
    holds = [build_holds_sql(each, sql) for each, sql in zip(cohort.conditions, done, strict=True)]
    # a person whom no event could bring in need not be looked at, nor the events that count for no condition
    candidates = f" AND ({' OR '.join(done)})" if cohort.needs_events else ""
    return (
        f"(SELECT person FROM ({seen.build_sql()}) WHERE person IS NOT NULL{candidates}"
        f" GROUP BY person HAVING {(' AND ' if cohort.needs_all else ' OR ').join(holds)})"
    )


def build_done_sql(condition: Condition, window: TimeRange, population: Population) -> str:
    """SQL condition that an event counts for a condition."""
    terms = [population.build_condition(condition.filters)]
    if condition.event_name is not None:
        terms.insert(0, f"event_name = {population.bind(condition.event_name)}")
    if window.from_ms is not None:
        terms.append(f"occurred_at >= {population.bind(clock.from_ms(window.from_ms).replace(tzinfo=None))}")
    if window.to_ms is not None:
        terms.append(f"occurred_at < {population.bind(clock.from_ms(window.to_ms).replace(tzinfo=None))}")
    return f"coalesce({' AND '.join(terms)}, false)"


def build_holds_sql(condition: Condition, done: str) -> str:
    """SQL condition, over the events of a person, that a condition holds."""
    times = f"count_if({done})"
    upper = "" if condition.at_most is None else f" AND {times} <= {condition.at_most:d}"
    holds = f"({times} >= {condition.at_least:d}{upper})"
    return f"NOT {holds}" if condition.is_negated else holds


def join_windows(windows: Sequence[TimeRange]) -> TimeRange:
    """The shortest range that holds all of them."""
    starts = [window.from_ms for window in windows if window.from_ms is not None]
    ends = [window.to_ms for window in windows if window.to_ms is not None]
    return TimeRange(
        min(starts) if len(starts) == len(windows) else None, max(ends) if len(ends) == len(windows) else None
    )
