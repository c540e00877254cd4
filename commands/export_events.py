"""`flask events export`: the events of a project as a file that `flask events import` makes the same events from."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import BinaryIO
from zoneinfo import ZoneInfo

import click
import msgspec

from columns.derived import ENRICHED_PROPERTIES, parse_enriched
from commands.csv_rows import EVENT_FIELDS
from commands.files import STANDARD_STREAM, find_content_suffix, open_output, open_progress
from commands.session import CommandFailed, context, readable_errors
from services import clock
from services.projects import fetch_project
from services.time_range import TimeRange, parse_time_range
from stores.base import ArrivalRow

SCAN_EVENTS = 2000
NO_TIME = ""
"""The timestamp of an event whose client sent an invalid one. Imported, it is invalid again; what the client sent is in
the metadata already and stays."""


class _ExportedEvent(msgspec.Struct, rename="camel", omit_defaults=True):
    """One line: the API's event. What the event does not have is left out."""

    event_name: str
    timestamp: str
    event_id: str
    anonymous_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    url: str | None = None
    referrer: str | None = None
    user_agent: str | None = None
    ip: str | None = None
    metadata: msgspec.Raw | None = None
    enriched: msgspec.Raw | None = None


_encode_lines = msgspec.json.Encoder().encode_lines


@click.argument("project_key")
@click.option(
    "--format", "file_format", type=click.Choice(["ndjson", "csv"]), help="[default: by the file's name, else ndjson]"
)
@click.option(
    "--output", default=STANDARD_STREAM, metavar="FILE",
    help="Compressed if it ends in .gz, .zst or .bz2. [default: standard output]",
)
@click.option("--from", "from_", metavar="TIME", help="Only events from this time or date on, in the project's zone.")
@click.option("--to", metavar="TIME", help="Only events before this time, or to the end of this date.")
@click.option(
    "--enriched", "is_enriched", is_flag=True,
    help="Also what the service found out about each event: browser, country, channel ...",
)
@readable_errors()
def export_events(
    project_key: str, file_format: str | None, output: str, from_: str | None, to: str | None, is_enriched: bool
) -> None:
    """Export events in the order in which they arrived.

    An NDJSON file can be imported into another project, which then has exactly the same events.
    """
    opened = context()
    project = fetch_project(opened, project_key)
    time_range = parse_time_range({"from": from_, "to": to}, ZoneInfo(project.timezone))
    is_csv = (file_format or find_content_suffix(output).removeprefix(".")) == "csv"
    exported = 0
    try:
        with open_output(output) as file, open_progress(opened.store.count(project_key), "events") as progress:
            write = (_start_csv if is_csv else _start_ndjson)(file, is_enriched)
            for rows in opened.store.scan(project_key, 0, batch_size=SCAN_EVENTS):
                chosen = choose_rows(rows, time_range)
                write(chosen)
                exported += len(chosen)
                progress.update(len(rows))
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise CommandFailed(f"{output}: {exc.strerror or exc}") from exc
    click.echo(f"{exported} events exported", err=True)


def choose_rows(rows: list[ArrivalRow], time_range: TimeRange) -> list[ArrivalRow]:
    """The rows in the range; an event without a valid time is in the open range only."""
    start, stop = time_range.from_ms, time_range.to_ms
    if start is None and stop is None:
        return rows
    return [
        row for row in rows
        if row.occurred_at_ms is not None
        and (start is None or row.occurred_at_ms >= start) and (stop is None or row.occurred_at_ms < stop)
    ]  # fmt: skip


def _start_ndjson(file: BinaryIO, is_enriched: bool) -> Callable[[Sequence[ArrivalRow]], object]:
    return lambda rows: file.write(_encode_lines([build_exported_event(row, is_enriched) for row in rows]))


def build_exported_event(row: ArrivalRow, is_enriched: bool) -> _ExportedEvent:
    """The event as a client would send it."""
    return _ExportedEvent(
        row.event_name,
        NO_TIME if row.occurred_at_ms is None else clock.format_ms(row.occurred_at_ms),
        row.event_id,
        row.anonymous_id,
        row.user_id,
        row.session_id,
        row.url,
        row.referrer,
        row.user_agent,
        row.ip,
        None if row.metadata == "{}" else msgspec.Raw(row.metadata.encode()),
        msgspec.Raw(row.enriched.encode()) if is_enriched and row.enriched is not None else None,
    )


def _start_csv(file: BinaryIO, is_enriched: bool) -> Callable[[Sequence[ArrivalRow]], object]:
    """Columns are the fields of an event, metadata as JSON in one; and one for each thing the service found out."""
    added = ENRICHED_PROPERTIES if is_enriched else {}
    file.write((",".join([*EVENT_FIELDS, *added]) + "\r\n").encode())

    def write(rows: Sequence[ArrivalRow]) -> None:
        text = io.StringIO()
        csv.writer(text).writerows(
            (*build_record(row), *(getattr(parse_enriched(row.enriched), column) for column in added.values()))
            for row in rows
        )
        file.write(text.getvalue().encode())

    return write


def build_record(row: ArrivalRow) -> tuple[str | None, ...]:
    """The cells of `EVENT_FIELDS`; None is an empty cell."""
    return (
        row.event_name,
        None if row.occurred_at_ms is None else clock.format_ms(row.occurred_at_ms),
        row.event_id, row.anonymous_id, row.user_id, row.session_id, row.url, row.referrer, row.user_agent, row.ip,
        None if row.metadata == "{}" else row.metadata,
    )  # fmt: skip
