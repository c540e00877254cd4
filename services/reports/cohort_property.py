"""Belonging to a cohort, as filters name it: `{"property": "cohort", "operator": "in", "value": [ids]}`.

To the reports it is a property like others, true or false, of the event's person.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from columns.properties import Property

COHORT: Final = "cohort"
OPERATORS: Final = {"eq": "eq", "neq": "neq", "in": "eq", "not_in": "neq"}
"""Operator of a request -> operator on true."""
MAX_IDS: Final = 10


@dataclass(frozen=True)
class CohortProperty(Property):
    """Whether the person is in one of the cohorts. Which persons these have, `Population.cohorts` knows."""

    ids: tuple[str, ...] = ()
    """Sorted, each once."""
    named_in: str = field(default="", compare=False, repr=False)
    """The field of the request, for errors."""


def parse_membership(item: dict[str, Any], place: str) -> tuple[CohortProperty, str]:
    """The property of a cohort filter, and the operator by which it is compared with true.

    `place` is where the filter stands. ValueError says of which member (`operator`, `value`) what is expected. Whether
    there are such cohorts is found out where they are fetched.
    """
    operator = item.get("operator")
    if not isinstance(operator, str) or operator not in OPERATORS:
        raise ValueError(f"operator must be one of {', '.join(OPERATORS)} for {COHORT}")
    value = item.get("value")
    ids = value if operator in ("in", "not_in") else [value]
    if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_IDS:
        raise ValueError(f"value must be a list of 1 to {MAX_IDS} ids of cohorts")
    if not all(isinstance(each, str) for each in ids):
        raise ValueError("value must be the id of a cohort" + (", in a list" if isinstance(value, list) else ""))
    prop = CohortProperty(COHORT, ids=tuple(sorted(set(ids))), named_in=f"{place}.value")
    return prop, OPERATORS[operator]
