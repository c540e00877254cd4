"""`flask events import`: events from NDJSON and CSV files, by the same pipeline as those that come over HTTP."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from commands.csv_rows import EVENT_FIELDS, METADATA_PREFIX, CsvOptions, InvalidHeader, read_csv
from commands.files import (
    STANDARD_STREAM,
    CorruptFile,
    find_content_suffix,
    measure_input_bytes,
    open_input,
    open_progress,
)
from commands.line_ids import LineIds
from commands.lines import Line, read_ndjson
from commands.rejects import RejectsFile, build_rejects_path
from commands.session import CommandFailed, ExitStatus, context, readable_errors
from services import clock
from services.context import Context
from services.ingest.decode import Batch
from services.ingest.record import record_batch
from services.project_fields import parse_timezone
from services.projects import Project, ProjectState, fetch_project

SURROUNDING_BYTES = 2048
"""By so much an imported event may be larger than MAX_EVENT_BYTES, and nested one level deeper: the id that an import
adds, and what an export adds to an event that came without id and time, and with unknown fields outside metadata."""
MAX_BATCH_BYTES = 4 << 20
CSV_SUFFIXES = {".csv": ",", ".tsv": "\t"}
DELIMITER_NAMES = {"tab": "\t", "\\t": "\t"}


@dataclass
class Totals:
    """What became of the lines so far."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    warnings: Counter[str] = field(default_factory=Counter)

    @property
    def lines(self) -> int:
        return self.accepted + self.duplicates + self.rejected


@dataclass(frozen=True)
class Import:
    """Where the events of one command go, and what is common to its files."""

    context: Context
    project: Project
    zone: ZoneInfo | None
    ids: LineIds = field(default_factory=LineIds)
    totals: Totals = field(default_factory=Totals)

    def read_lines(
        self, path: str, options: CsvOptions | None, on_read: Callable[[int], object], *, ids: LineIds
    ) -> Iterator[Line]:
        """The lines of a file, as CSV if there are options. Raises CommandFailed, naming the file."""
        max_bytes = self.context.config.max_event_bytes
        try:
            with open_input(path, on_read) as stream:
                if options is None:
                    yield from read_ndjson(stream, ids=ids, zone=self.zone, max_bytes=max_bytes)
                else:
                    yield from read_csv(stream, options, ids=ids, max_bytes=max_bytes)
        except InvalidHeader as exc:
            raise CommandFailed(f"{path}: {exc}") from exc
        except CorruptFile as exc:
            raise CommandFailed(f"{path} is damaged or incomplete: {exc}") from exc
        except OSError as exc:
            raise CommandFailed(f"{path}: {exc.strerror or exc}") from exc

    def record_lines(self, path: str, lines: Iterable[Line], rejects: RejectsFile) -> None:
        """Store what can be stored, batch by batch; write down the rest. Raises StoreUnavailable."""
        for taken in take_batches(lines, max_events=self.context.config.max_batch_events):
            usable = [line for line in taken if line.event]
            refused = [(line, line.code, line.error) for line in taken if not line.event]
            if usable:
                enriched = {index: line.enriched for index, line in enumerate(usable) if line.enriched}
                batch = Batch([line.event for line in usable], enriched=enriched)
                result = record_batch(self.context, self.project, batch, received_at_ms=clock.fetch_now_ms())
                refused += [(usable[each.index], each.code, each.error) for each in result.rejected]
                self.totals.accepted += result.accepted
                self.totals.duplicates += result.duplicates
                self.totals.warnings.update(str(warning.code) for warning in result.warnings)
            self.totals.rejected += len(refused)
            for line, code, error in sorted(refused, key=lambda each: each[0].number):
                rejects.add(file=path, line=line.number, code=code, error=error, original=line.original)


def take_batches(lines: Iterable[Line], *, max_events: int) -> Iterator[list[Line]]:
    """The lines in lists of at most `max_events`, and of about MAX_BATCH_BYTES; none is empty."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line.event)
        if len(batch) == max_events or size >= MAX_BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def parse_mapping(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Column -> field, from `COLUMN=FIELD` each."""
    mapping: dict[str, str] = {}
    for value in values:
        column, _equals, target = value.rpartition("=")
        is_known = target in EVENT_FIELDS or (target.startswith(METADATA_PREFIX) and target != METADATA_PREFIX)
        if not column or not is_known:
            expected = f"COLUMN=FIELD with a FIELD of {', '.join(EVENT_FIELDS)} or metadata.NAME"
            raise click.BadParameter(f"{value!r}: expected {expected}")
        if column in mapping or target in mapping.values():
            raise click.BadParameter(f"{value!r}: its column or its field has been given before")
        mapping[column] = target
    return mapping


def parse_zone(_: click.Context, __: click.Parameter, value: str | None) -> ZoneInfo | None:
    try:
        return None if value is None else ZoneInfo(parse_timezone(value))
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


def parse_delimiter(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    delimiter = DELIMITER_NAMES.get(value or "", value)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise click.BadParameter("expected one character, or tab")
    return delimiter


def parse_encoding(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        "".encode(value)
    except LookupError as exc:
        raise click.BadParameter("expected the name of an encoding such as utf-8, latin-1 or utf-16") from exc
    return "utf-8-sig" if value.lower().replace("_", "-") in ("utf-8", "utf8") else value


@click.argument("project_key")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format", "file_format", type=click.Choice(["ndjson", "csv"]), help="[default: by the file's name, else ndjson]"
)
@click.option(
    "--map", "mapping", multiple=True, metavar="COLUMN=FIELD", callback=parse_mapping,
    help="CSV: the field that a column fills. May be repeated.",
)
@click.option("--drop", "dropped", multiple=True, metavar="COLUMN", help="CSV: leave a column out. May be repeated.")
@click.option("--typed", "is_typed", is_flag=True, help="CSV: numbers, true and false in metadata are not text.")
@click.option(
    "--delimiter", metavar="CHARACTER", callback=parse_delimiter,
    help="CSV: what separates cells. [default: comma; tab for .tsv]",
)
@click.option(
    "--encoding", default="utf-8", show_default=True, callback=parse_encoding, help="CSV: how the text is encoded."
)
@click.option("--timezone", "zone", callback=parse_zone, help="Zone of times that name none. [default: UTC]")
@click.option(
    "--rejects", "rejects_path", type=click.Path(dir_okay=False, path_type=Path),
    help="File for rejected lines. [default: FILE.rejects.ndjson]",
)
@readable_errors()
def import_events(
    project_key: str, files: tuple[str, ...], file_format: str | None, rejects_path: Path | None,
    zone: ZoneInfo | None, mapping: dict[str, str], dropped: tuple[str, ...], **csv_settings: Any,
) -> None:  # fmt: skip
    """Import events from NDJSON and CSV files; - is standard input.

    Compressed files (gzip, zstd, bzip2) are recognised. Running the same command again adds nothing. Exit status 1:
    lines were rejected; they are in a file, with reasons.
    """
    if both := sorted(set(mapping) & set(dropped)):
        raise click.UsageError(f"--map and --drop both name {both[0]!r}")
    wanted = {"mapping": mapping, "dropped": frozenset(dropped), "zone": zone, **csv_settings}
    inputs = [(path, find_csv_options(path, file_format, **wanted)) for path in files]
    target = open_import(project_key, zone)
    for path, options in inputs:
        check_input(target, path, options)
    started = time.perf_counter()
    try:
        import_inputs(target, inputs, rejects_path)
    finally:
        report_totals(target.totals, time.perf_counter() - started)
    if target.totals.rejected:
        raise click.exceptions.Exit(ExitStatus.FOUND_FAULTS)


def find_csv_options(path: str, file_format: str | None, *, delimiter: str | None, **wanted: Any) -> CsvOptions | None:
    """How to read a file as CSV; None: it is NDJSON."""
    suffix = find_content_suffix(path)
    if (file_format or "csv") == "csv" and (file_format or suffix in CSV_SUFFIXES):
        return CsvOptions(delimiter=delimiter or CSV_SUFFIXES.get(suffix, ","), **wanted)
    if wanted["mapping"] or wanted["dropped"] or wanted["is_typed"] or delimiter:
        raise click.UsageError(f"{path} is read as NDJSON, which has no columns; if it is CSV, say --format csv")
    return None


def open_import(project_key: str, zone: ZoneInfo | None) -> Import:
    """An import into an active project, with limits that let every event pass that the API took once."""
    opened = context()
    config = opened.config
    project = fetch_project(opened, project_key, reach=ProjectState.ACTIVE)
    limits = replace(
        config, max_event_bytes=config.max_event_bytes + SURROUNDING_BYTES, max_event_depth=config.max_event_depth + 1
    )
    return Import(replace(opened, config=limits), project, zone)


def check_input(target: Import, path: str, options: CsvOptions | None) -> None:
    """The file can be opened and its header fits. To be called for all before an event of any is stored."""
    if path != STANDARD_STREAM:
        next(target.read_lines(path, options, lambda _: None, ids=LineIds()), None)


def import_inputs(target: Import, inputs: list[tuple[str, CsvOptions | None]], rejects_path: Path | None) -> None:
    """Import one file after the other, with a progress bar."""
    places = {path: rejects_path or build_rejects_path(path) for path, _ in inputs}
    files = {place: RejectsFile(place) for place in places.values()}
    with ExitStack() as opened:
        for file in files.values():
            opened.callback(file.close)
        progress = opened.enter_context(open_progress(measure_input_bytes([path for path, _ in inputs]), "B"))
        for path, options in inputs:
            lines = target.read_lines(path, options, progress.update, ids=target.ids)
            target.record_lines(path, lines, files[places[path]])


def report_totals(totals: Totals, seconds: float) -> None:
    """The summary, in one line, and below it what the warnings were."""
    speed = round(totals.lines / seconds) if totals.lines else 0
    click.echo(
        f"{totals.accepted} accepted, {totals.duplicates} duplicates, {totals.rejected} rejected,"
        f" {totals.warnings.total()} warnings, {speed} events/s"
    )
    for code, count in sorted(totals.warnings.items()):
        click.echo(f"warning {code}: {count} events", err=True)
