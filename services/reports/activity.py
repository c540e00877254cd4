"""Who was active when: one relation of persons and intervals that several reports count."""

from __future__ import annotations

from services.reports.calendar import Calendar
from services.reports.population import Population


def build_activity_sql(population: Population, calendar: Calendar, *, condition: str = "true") -> str:
    """SELECT of `person` and `number`, each pair once: the intervals in which a person has events that hold a
    condition; and `counts`, whether one of these lies in the report's range.

    Only the first interval of a range that begins amid it has pairs that do not count: of events before `from`, which
    are there where the population begins earlier.
    """
    return f"""
        SELECT person, {calendar.build_number_sql()} AS number, bool_or({calendar.build_range_sql()}) AS counts
        FROM ({population.build_sql()}) WHERE person IS NOT NULL AND {condition} GROUP BY ALL"""
