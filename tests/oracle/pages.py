"""pages and paths: what was seen, and in which order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import groupby, pairwise
from statistics import fmean

from tests.oracle.events import Event
from tests.oracle.population import Population, divide
from tests.oracle.sessions import Session, is_page_view, list_sessions
from tests.oracle.values import Json, Row

OTHER = "(other)"


def compute_pages(population: Population, params: Mapping[str, Json]) -> Row:
    sessions = list_sessions(population)
    views: dict[str, list[Event]] = defaultdict(list)
    for event in population.events:
        if is_page_view(event) and event.page is not None:
            views[event.page].append(event)
    entered: dict[str, list[Session]] = defaultdict(list)
    left: Counter[str] = Counter()
    for session in sessions:
        if session.pages:
            entered[session.pages[0]].append(session)
            left[session.pages[-1]] += 1
    times = collect_page_times(population, sessions)
    rows: list[Row] = [
        {
            "page": page,
            "views": len(views[page]),
            "visitors": population.count_users(views[page]),
            "entries": len(entered[page]),
            "exits": left[page],
            "bounceRate": divide(sum(session.is_bounce for session in entered[page]), len(entered[page])),
            "exitRate": divide(left[page], len(views[page])),
            "averageTimeSeconds": fmean(times[page]) if page in times else None,
        }
        for page in {*views, *entered, *left}
    ]
    rows.sort(key=lambda row: (-row["views"], row["page"]))
    return {"pages": rows[: params.get("limit", 10)]}


def collect_page_times(population: Population, sessions: list[Session]) -> dict[str, list[float]]:
    """Seconds from each page view that passes the filters to the next event of its session, whichever it is."""
    counted = set(population.events)
    times: dict[str, list[float]] = defaultdict(list)
    for session in sessions:
        for event, following in pairwise(session.events):
            if is_page_view(event) and event.page is not None and event in counted:
                times[event.page].append((following.when - event.when) / 1000)
    return times


def compute_paths(population: Population, params: Mapping[str, Json]) -> Row:
    steps, limit = params.get("steps", 3), params.get("limit", 10)
    paths = [find_path(session, params)[: steps + 1] for session in list_sessions(population)]
    paths = [path for path in paths if path]
    shown: list[set[str]] = []
    nodes: list[Row] = []
    for step in range(steps + 1):
        counts = Counter(path[step] for path in paths if len(path) > step)
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        shown.append(set(ranked[:limit]))
        nodes += [describe_node(step, name, counts[name]) for name in ranked[:limit]]
        if ranked[limit:]:
            others = sum(counts[name] for name in ranked[limit:])
            nodes.append({**describe_node(step, OTHER, others), "isOther": True})
    return {"nodes": nodes, "links": list_links(paths, shown), "sessions": len(paths)}


def describe_node(step: int, name: str, sessions: int) -> Row:
    return {"step": step, "name": name, "sessions": sessions, "isOther": False}


def find_path(session: Session, params: Mapping[str, Json]) -> list[str]:
    """The session's pages or events from the start on, or back from it; empty where it has no start."""
    names = session.pages if params.get("by", "page") == "page" else [event.name for event in session.events]
    folded = [name for name, _ in groupby(names)]
    if params.get("direction", "after") == "before":
        folded.reverse()
    if "start" not in params:
        return folded
    return folded[folded.index(params["start"]) :] if params["start"] in folded else []


def list_links(paths: list[list[str]], shown: list[set[str]]) -> list[Row]:
    """From each step to the next, names that are not among the most frequent of their step as one."""

    def show(step: int, name: str) -> tuple[bool, str]:
        return (False, name) if name in shown[step] else (True, OTHER)

    counts: Counter[tuple[int, tuple[bool, str], tuple[bool, str]]] = Counter()
    for path in paths:
        for step, (name, following) in enumerate(pairwise(path)):
            counts[step, show(step, name), show(step + 1, following)] += 1
    ranked = sorted(counts, key=lambda link: (link[0], -counts[link], link[1], link[2]))
    return [
        {"step": step, "source": source[1], "target": target[1], "sessions": counts[step, source, target]}
        for step, source, target in ranked
    ]
