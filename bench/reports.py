"""Reports over many events: in the service, in DuckDB alone over the same files, and as MongoDB aggregations.

Run as `python -m bench.reports`; `--help` lists the sizes. README.md says what the ratios mean.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench import measure
from bench.bare_duckdb import BareDuckDB
from bench.measure import Figure
from bench.person_cases import list_person_cases
from bench.report_cases import Case, list_cases
from bench.report_runs import (
    Samples,
    compare,
    compare_mongo,
    load_events,
    load_mongo,
    measure_cached,
    measure_mongo,
    measure_reports,
    measure_service,
    open_bare,
    open_reporting,
)
from bench.servers import run_mongo
from bench.session_cases import list_session_cases
from services import clock
from services.context import Context
from services.projects import Project, create_project, fetch_project, list_projects


def main() -> None:
    options = parse_options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory)))
        data_dir = options.data or folder / "data"
        context = stack.enter_context(open_reporting(data_dir))
        project, filling = fill(context, options)
        bare = stack.enter_context(open_bare(context, project, folder))
        cases = list_all_cases(bare, *options.filter.split("=", 1))
        samples: dict[str, Samples] = {"reports": measure_reports(context, bare, project, cases, rounds=options.rounds)}
        figures = [figure for case in cases for figure in compare(samples["reports"], case, events=bare.count)]
        if options.mongo or options.mongo_uri:
            figures += run_mongo_part(stack, context, bare, project, cases, samples, folder, options)
        figures += measure_cached(stack, context, project, cases[0], folder)
        if options.project is None:
            figures += measure_service(data_dir, project.project_key, cases)
        details = {"events": bare.count, "segments": bare.segments, "rounds": options.rounds, "samples": samples}
        figures += [*filling, Figure("files of the copy", bare.bytes / bare.count, "bytes/event")]
    title = f"Reports over {bare.count:,} events in {bare.segments} files, median of {options.rounds} runs"
    measure.print_table(title, figures)
    measure.save_results(options.output, figures, **details)


def list_all_cases(bare: BareDuckDB, filter_key: str, filter_value: str) -> list[Case]:
    """Every report that is measured; journeys where there are persons with a userId."""
    return [
        *list_cases(filter_key, filter_value),
        *list_session_cases(),
        *list_person_cases(filter_key, bare.list_user_ids()),
    ]


def fill(context: Context, options: argparse.Namespace) -> tuple[Project, list[Figure]]:
    """The project with its events, all in segments; a store that has a project already is left as it is."""
    if options.project is not None:
        return fetch_project(context, options.project), []
    found = list_projects(context)
    if not found:
        project, _ = create_project(context, {"name": "bench"}, clock.fetch_now_ms())
        return project, load_events(context, project, options.events)
    stored = context.store.count(found[0].project_key)
    if stored != options.events:
        raise SystemExit(f"{options.data} has {stored} events, not {options.events}: remove it, or say --project")
    context.copy.seal(found[0].project_key, force=True)
    return found[0], []


def run_mongo_part(
    stack: ExitStack, context: Context, bare: BareDuckDB, project: Project, cases: list[Case],
    samples: dict[str, Samples], folder: Path, options: argparse.Namespace,
) -> list[Figure]:  # fmt: skip
    """Each report's time in MongoDB against the service's, over the same events."""
    uri = options.mongo_uri
    if uri is None:
        server = stack.enter_context(run_mongo(folder / "mongod", cache_gb=options.mongo_cache_gb))
        if server is None:
            return []
        uri = server.uri
        load_mongo(uri, options.mongo_database, context.store, project.project_key)
    seconds = measure_mongo(
        uri, options.mongo_database, bare, project.project_key, cases,
        rounds=options.mongo_rounds, is_natural=options.mongo_natural,
    )  # fmt: skip
    samples["mongodb"] = {name: {"mongodb": values} for name, values in seconds.items()}
    return [
        compare_mongo(
            case, median(samples["reports"][case.name]["service"]), seconds[case.name], events=bare.count
        )
        for case in cases if case.name in seconds
    ]


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.reports", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events to generate (1000000)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each report (5)")
    parser.add_argument("--mongo", action="store_true", help="also load a MongoDB and compare with its aggregations")
    parser.add_argument("--mongo-cache-gb", type=float, default=2.5, help="cache of that MongoDB (2.5)")
    parser.add_argument("--mongo-natural", action="store_true", help="have it read the whole collection in file order")
    parser.add_argument("--mongo-rounds", type=int, default=1, help="runs of each aggregation (1)")
    parser.add_argument("--filter", default="device=iphone", help="a key of the metadata and a value (device=iphone)")
    parser.add_argument("--data", type=Path, help="keep the events in this DATA_DIR, or use those it has")
    parser.add_argument("--project", help="with --data: projectKey of the events to use, which are only read")
    parser.add_argument("--mongo-uri", help="a MongoDB that has the same events already")
    parser.add_argument("--mongo-database", default="bench", help="its database (bench)")
    measure.add_places(parser, "reports")
    options = parser.parse_args()
    if options.project and options.data is None:
        parser.error("--project needs --data")
    return options


if __name__ == "__main__":
    main()
