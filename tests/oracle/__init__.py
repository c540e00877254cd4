"""What each report must answer, computed the slow and obvious way from the events as they were posted.

Written from docs/metrics.md alone, in plain Python over lists; it shares no code with the product. Tests compare the
product's answers with `compute_answer`. Assumes what the test streams guarantee: every event has a timestamp that is
not in the future, no `context`, no `sentAt`, no limit is reached, and UTC offsets are multiples of 15 minutes.
What the server finds out about an event (`Event.enriched`) is taken from the store, not computed here.
"""

from tests.oracle.answer import compute_answer, compute_answer_over, compute_user_over
from tests.oracle.events import Event, keep_events, record_events
from tests.oracle.properties import split_path
from tests.oracle.values import Json, Row

__all__ = [
    "Event",
    "Json",
    "Row",
    "compute_answer",
    "compute_answer_over",
    "compute_user_over",
    "keep_events",
    "record_events",
    "split_path",
]
