"""How many persons a cohort has now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.cohorts import COHORTS
from services.context import Context
from services.projects import Project
from services.reports.cohort_property import COHORT
from services.reports.population import Population
from services.reports.report import Report
from services.reports.request import ReportRequest
from services.reports.run import run_report


def compute(population: Population, request: ReportRequest) -> dict[str, Any]:
    """The persons of the population, of which its filter leaves those of the cohort."""
    ((persons,),) = population.fetch(f"SELECT count(DISTINCT person) FROM ({population.build_sql()})")
    return {"persons": persons}


SIZE = Report("cohort-size", {}, lambda values: None, compute, lambda result: [result], ("persons",))


def count_persons(context: Context, project: Project, cohort_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """How many persons with an event are in the cohort now. `fields`: tz?, includeBots?. Raises NotFound for an unknown
    one, InvalidInput."""
    COHORTS.fetch(context, project.project_key, cohort_id)
    filters = [{"property": COHORT, "operator": "eq", "value": cohort_id}]
    answer = run_report(context, SIZE, {**fields, "filters": filters}, project)
    shown = ("persons", "cached", "generatedAt")
    return {"projectKey": project.project_key, "cohortId": cohort_id, **{name: answer[name] for name in shown}}
