"""`flask` as an operator uses it: projects, import and export of events, care for the columnar copy, the demo."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import msgspec
import pytest
from flask import Flask

from services.clock import fetch_now_ms
from services.context import Context
from stores.base import Event, StoreUnavailable
from tests.conftest import MakeApp
from tests.oracle import compute_answer_over, record_events
from tests.pipeline import find_differences, strip

SHOP = Path(__file__).parent.parent / "data" / "ecom.csv.gz"
SHOP_EVENTS = 31_106
SHOP_MAPPING = ("--map", "event=eventName", "--map", "user_id=userId", "--map", "session_id=sessionId")


class Terminal:
    """Runs commands of one installation."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.runner = app.test_cli_runner()

    @property
    def context(self) -> Context:
        found: Context = self.app.extensions["apptracker"]
        return found

    def run(self, *arguments: object, status: int = 0, stdin: bytes | None = None) -> click.testing.Result:
        """The result of a command that must end with this status."""
        result = self.runner.invoke(args=[str(argument) for argument in arguments], input=stdin)
        assert result.exit_code == status, (result.output, result.stderr, result.exception)
        return result

    def create_project(self, *options: str) -> str:
        created = self.run("projects", "create", "Shop", *options).stdout
        return created.split()[1]

    def fetch_events(self, project_key: str) -> list[tuple[Any, ...]]:
        """What is stored of each event but when it came, in arrival order."""
        batches = self.context.store.scan(project_key, 0)
        return [(*row[1:4], *row[5:]) for rows in batches for row in rows]


@pytest.fixture
def terminal(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.chdir(tmp_path)
    return Terminal(app)


@pytest.fixture
def project_key(terminal: Terminal) -> str:
    return terminal.create_project()


def write_lines(path: Path, *events: object) -> Path:
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return path


def fail_at_call(patch: pytest.MonkeyPatch, terminal: Terminal, number: int) -> None:
    """Let the store be away when it is to append for the n-th time."""
    append = terminal.context.store.append
    calls: list[int] = []

    def append_or_fail(events: list[Event]) -> list[bool]:
        calls.append(len(events))
        if len(calls) == number:
            raise StoreUnavailable("the disk is full")
        return append(events)

    patch.setattr(terminal.context.store, "append", append_or_fail)


def read_rejects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- projects ----------------------------------------------------------------------------------------------------


def test_a_created_project_is_listed_and_its_key_works(terminal: Terminal) -> None:
    created = terminal.run(
        "projects", "create", "Shop", "--domain", "shop.example", "--timezone", "Europe/Berlin", "--retention-days", 30
    )
    shown = dict(line.split(": ") for line in created.stdout.splitlines())
    headers = {"X-API-Key": shown["apiKey"]}
    project = terminal.app.test_client().get(f"/v1/projects/{shown['projectKey']}", headers=headers).get_json()
    assert (project["name"], project["domain"], project["timezone"], project["retentionDays"]) == (
        "Shop", "shop.example", "Europe/Berlin", 30,
    )  # fmt: skip
    listed = terminal.run("projects", "list").stdout
    assert listed.split("\t")[0] == shown["projectKey"]
    assert shown["apiKey"] not in listed


def test_a_project_that_cannot_be_created_is_explained(terminal: Terminal) -> None:
    result = terminal.run("projects", "create", "Shop", "--timezone", "Mars", status=2)
    assert result.stderr.startswith("Error: timezone must be an IANA time zone name")
    assert terminal.run("projects", "list").stdout == ""


# --- import ------------------------------------------------------------------------------------------------------


def test_the_shop_is_imported_once_however_often_the_command_runs(terminal: Terminal, tmp_path: Path) -> None:
    project_key = terminal.create_project()
    first = terminal.run("events", "import", project_key, SHOP, *SHOP_MAPPING)
    assert first.stdout.startswith(f"{SHOP_EVENTS} accepted, 0 duplicates, 0 rejected, 0 warnings, ")
    again = terminal.run("events", "import", project_key, SHOP, *SHOP_MAPPING)
    assert again.stdout.startswith(f"0 accepted, {SHOP_EVENTS} duplicates, 0 rejected, 0 warnings, ")
    plain = tmp_path / "renamed.csv"
    plain.write_bytes(gzip.decompress(SHOP.read_bytes()).replace(b"\n", b"\r\n"))
    written_otherwise = terminal.run("events", "import", project_key, plain, *SHOP_MAPPING)
    assert written_otherwise.stdout.startswith(f"0 accepted, {SHOP_EVENTS} duplicates, ")
    assert terminal.context.store.count(project_key) == SHOP_EVENTS
    assert list(tmp_path.glob("*.rejects*")) == []


def test_reports_of_the_imported_shop_equal_the_oracle(terminal: Terminal, project_key: str) -> None:
    terminal.run("events", "import", project_key, SHOP, *SHOP_MAPPING)
    with gzip.open(SHOP, "rt", newline="") as file:
        events = [
            {
                "eventId": f"row-{number}", "eventName": row.pop("event"), "timestamp": row.pop("timestamp"),
                "userId": row.pop("user_id"), "sessionId": row.pop("session_id"), "metadata": row,
            }
            for number, row in enumerate(csv.DictReader(file))
        ]  # fmt: skip
    kept: dict[str, Any] = {}
    record_events(kept, events)
    questions: list[tuple[str, dict[str, Any]]] = [
        ("overview", {}),
        ("top-events", {"limit": 1000}),
        ("events-timeseries", {"interval": "day", "tz": "America/New_York"}),
        ("funnel", {"steps": ["product_view", "add_to_cart", "purchase"], "breakdown": "metadata.platform"}),
        ("conversion", {"eventName": "purchase"}),
    ]
    client = terminal.app.test_client()
    for report, params in questions:
        answer = client.post(f"/v1/reports/{report}", json={"projectKey": project_key, **params}).get_json()
        expected = compute_answer_over(report, list(kept.values()), params)
        assert find_differences(strip(answer), expected) == []


def test_identical_lines_of_one_file_are_as_many_events(terminal: Terminal, project_key: str, tmp_path: Path) -> None:
    click_event = {"eventName": "click", "timestamp": "2025-01-06T10:00:00Z"}
    path = write_lines(tmp_path / "events.ndjson", click_event, click_event, {"eventName": "other"}, click_event)
    terminal.run("events", "import", project_key, path)
    terminal.run("events", "import", project_key, path)
    names = [row[1] for row in terminal.fetch_events(project_key)]
    assert sorted(names) == ["click", "click", "click", "other"]


def test_rejected_lines_are_in_a_file_with_number_reason_and_original(
    terminal: Terminal, project_key: str, tmp_path: Path
) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(
        b'{"eventName": "a"}\n\n{"eventName": ""}\n{"eventName": \n[1]\n{"eventName": "b", "metadata": 5}\n'
        b'{"eventName": "c", "metadata": {"n": 1e999}}\n{"eventName": "d", "timestamp": "soon"}\n'
         b'{"eventName": "' + b"x" * 100_000 + b'"}\n{"eventName": "\xff"}'
    )  # fmt: skip
    result = terminal.run("events", "import", project_key, path, status=1)
    assert result.stdout.startswith("2 accepted, 0 duplicates, 7 rejected, 1 warnings, ")
    assert "warning invalid_timestamp: 1 events" in result.stderr
    rejects = read_rejects(tmp_path / "events.ndjson.rejects.ndjson")
    assert [(entry["line"], entry["code"]) for entry in rejects] == [
        (3, "invalid_event_name"), (4, "invalid_json"), (5, "invalid_event"), (6, "invalid_metadata"),
        (7, "number_out_of_range"), (9, "event_too_large"), (10, "invalid_json"),
    ]  # fmt: skip
    assert rejects[0]["original"] == '{"eventName": ""}'
    assert all(entry["error"] and entry["file"] == str(path) for entry in rejects)
    assert [row[1] for row in terminal.fetch_events(project_key)] == ["a", "d"]


def test_what_was_rejected_can_be_mended_and_imported_by_the_same_command(
    terminal: Terminal, project_key: str, tmp_path: Path
) -> None:
    path = tmp_path / "events.csv"
    path.write_text("eventName,userId\nlogin,u1\n,u2\nlogin,u3,extra\n")
    arguments = ("events", "import", project_key, path, "--rejects", tmp_path / "bad.ndjson")
    terminal.run(*arguments, status=1)
    assert [entry["line"] for entry in read_rejects(tmp_path / "bad.ndjson")] == [3, 4]
    path.write_text("eventName,userId\nlogin,u1\nlogin,u2\nlogin,u3\n")
    assert terminal.run(*arguments).stdout.startswith("2 accepted, 1 duplicates, 0 rejected")


def test_standard_input_is_read_and_several_files_are_one_import(
    terminal: Terminal, project_key: str, tmp_path: Path
) -> None:
    event = {"eventName": "a", "timestamp": 1736157600}
    first, second = write_lines(tmp_path / "1.ndjson", event), write_lines(tmp_path / "2.jsonl", event)
    assert terminal.run("events", "import", project_key, first, second).stdout.startswith("2 accepted")
    stdin = gzip.compress(b"name,id\nb,1\n,2\n")
    terminal.run(
        "events", "import", project_key, "-", "--format", "csv", "--map", "name=eventName", "--map", "id=eventId",
        stdin=stdin, status=1,
    )  # fmt: skip
    assert [row[:2] for row in terminal.fetch_events(project_key)][2:] == [("1", "b")]
    assert [entry["line"] for entry in read_rejects(tmp_path / "stdin.rejects.ndjson")] == [3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("events.csv",), "no column is the eventName"),
        (("events.csv", "--map", "nome=eventName"), "no column 'nome'; it has 'name', 'plan'"),
        (("events.csv", "--map", "name=event"), "expected COLUMN=FIELD"),
        (("events.csv", "--map", "name"), "expected COLUMN=FIELD"),
        (("events.csv", "--map", "name=eventName", "--map", "plan=eventName"), "given before"),
        (("events.csv", "--map", "name=eventName", "--drop", "name"), "both name 'name'"),
        (("events.csv", "--map", "name=eventName", "--drop", "nothing"), "no column 'nothing'"),
        (("events.csv", "--timezone", "Mars"), "IANA time zone"),
        (("events.csv", "--delimiter", "ab"), "one character"),
        (("events.csv", "--encoding", "klingon"), "name of an encoding"),
        (("events.ndjson", "--map", "name=eventName"), "read as NDJSON"),
        (("missing.csv",), "missing.csv: No such file"),
        ((".",), "Is a directory"),
        (("cut.csv.gz", "--map", "name=eventName"), "damaged or incomplete"),
        (("events.csv", "--map", "name=eventName", "--rejects", "no/such/folder"), "name another file"),
        (("events.csv", "--map", "name=eventName", "missing.csv"), "missing.csv: No such file"),
        ((), "Missing argument"),
    ],
)
def test_an_import_that_cannot_be_meant_stores_nothing_and_says_why(
    terminal: Terminal, project_key: str, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "events.csv").write_text("name,plan\nlogin,pro\n")
    write_lines(tmp_path / "events.ndjson", {"eventName": "a"})
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"name,plan\nlogin,pro\n" * 5)[:-9])
    result = terminal.run("events", "import", project_key, *arguments, status=2)
    assert message in result.stderr
    assert terminal.context.store.count(project_key) == 0


def test_projects_that_take_no_events_are_refused(terminal: Terminal, project_key: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "events.ndjson", {"eventName": "a"})
    assert "not found" in terminal.run("events", "import", "0123456789ab", path, status=2).stderr
    terminal.app.test_client().delete(f"/v1/projects/{project_key}")
    assert "is not active" in terminal.run("events", "import", project_key, path, status=2).stderr


def test_a_store_that_goes_away_ends_the_import_and_the_next_one_completes_it(
    terminal: Terminal, project_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lines(tmp_path / "events.ndjson", *({"eventName": "a", "n": number} for number in range(5000)))
    with monkeypatch.context() as patch:
        fail_at_call(patch, terminal, 2)
        result = terminal.run("events", "import", project_key, path, status=3)
    assert "the disk is full" in result.stderr
    assert result.stdout.startswith("2000 accepted")
    assert terminal.run("events", "import", project_key, path).stdout.startswith("3000 accepted, 2000 duplicates")


# --- export ------------------------------------------------------------------------------------------------------

HOSTILE_EVENTS: list[dict[str, Any]] = [
    {"eventName": "plain", "timestamp": "2025-01-06T10:00:00.123Z", "userId": "u", "anonymousId": "a"},
    {"eventName": "no time"},
    {"eventName": "wrong time", "timestamp": "soon", "userId": "u"},
    {"eventName": "wrong time, own metadata", "timestamp": [1], "metadata": {"timestamp": "2025-01-06"}},
    {"eventName": "early", "timestamp": "0001-01-01T00:00:00Z"},
    {"eventName": "texts", "url": "", "referrer": "\u2028\x00\"\\", "userAgent": "ü,;\n\r", "ip": "::1"},
    {"eventName": "=cmd()", "eventId": "é", "metadata": {"$a.b": {"": [None, True, -0.0, 1e300, 2**70]}, "\x00": "😀"}},
    {"eventName": "deep", "x": {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}},
    {"eventName": "large", "eventId": "", "x": "y" * 65_480},
    {"eventName": "metadata named like fields", "metadata": {"eventId": 1, "userId": 2, "metadata": {}}},
    {"eventName": "empty", "metadata": {}, "userId": ""},
]


def post(terminal: Terminal, project_key: str, events: list[dict[str, Any]]) -> None:
    response = terminal.app.test_client().post("/v1/events/batch", json={"projectKey": project_key, "events": events})
    assert response.get_json()["rejected"] == []


def test_an_export_makes_the_same_events_in_another_project(
    terminal: Terminal, project_key: str, tmp_path: Path
) -> None:
    post(terminal, project_key, HOSTILE_EVENTS)
    for name in ("events.ndjson", "events.ndjson.gz", "events.zst"):
        other = terminal.create_project()
        exported = terminal.run("events", "export", project_key, "--output", tmp_path / name)
        assert f"{len(HOSTILE_EVENTS)} events exported" in exported.stderr
        terminal.run("events", "import", other, tmp_path / name)
        assert terminal.fetch_events(other) == terminal.fetch_events(project_key)


def test_the_exported_shop_is_the_shop(terminal: Terminal, project_key: str, tmp_path: Path) -> None:
    terminal.run("events", "import", project_key, SHOP, *SHOP_MAPPING)
    exported = terminal.run("events", "export", project_key).stdout_bytes
    assert exported.count(b"\n") == SHOP_EVENTS
    first = json.loads(exported[: exported.index(b"\n")])
    assert (first["eventName"], first["timestamp"], first["userId"]) == ("home", "2024-03-13T10:21:14Z", "user_0000")
    other = terminal.create_project()
    imported = terminal.run("events", "import", other, "-", stdin=exported)
    assert imported.stdout.startswith(f"{SHOP_EVENTS} accepted, 0 duplicates, 0 rejected, 0 warnings")
    assert terminal.fetch_events(other) == terminal.fetch_events(project_key)


def test_a_csv_export_makes_the_same_events_but_for_what_csv_cannot_say(
    terminal: Terminal, project_key: str, tmp_path: Path
) -> None:
    unsayable = {"texts", "wrong time", "wrong time, own metadata"}
    sayable = [event for event in HOSTILE_EVENTS if event["eventName"] not in unsayable]
    post(terminal, project_key, sayable)
    terminal.run("events", "export", project_key, "--output", tmp_path / "events.csv")
    other = terminal.create_project()
    terminal.run("events", "import", other, tmp_path / "events.csv")
    assert terminal.fetch_events(other) == terminal.fetch_events(project_key)


def test_an_export_takes_along_what_was_found_out_only_if_it_is_asked_to(
    terminal: Terminal, project_key: str, tmp_path: Path
) -> None:
    terminal.app.test_client().patch(f"/v1/projects/{project_key}", json={"ipPolicy": "drop"})
    post(terminal, project_key, [
        {"eventName": "refused"} if number == 2 else {"eventName": "a", "ip": ip, "anonymousId": f"{number}"}
        for number, ip in enumerate(["8.8.8.8", None, "", "2.2.2.2"])
    ])  # fmt: skip
    stored = terminal.fetch_events(project_key)
    assert "US" in str(stored)
    assert "8.8.8.8" not in str(stored)
    plain, full = terminal.create_project(), terminal.create_project()
    terminal.run("events", "export", project_key, "--output", tmp_path / "plain.ndjson")
    terminal.run("events", "import", plain, tmp_path / "plain.ndjson")
    assert "enriched" not in (tmp_path / "plain.ndjson").read_text()
    assert "US" not in str(terminal.fetch_events(plain)), "found out anew, and the address was not stored"
    terminal.run("events", "export", project_key, "--enriched", "--output", tmp_path / "full.ndjson")
    lines = (tmp_path / "full.ndjson").read_text().splitlines()
    lines.insert(1, '{"eventName": "", "enriched": {"country": "FR"}}')
    (tmp_path / "full.ndjson").write_text("\n".join(lines))
    terminal.run("events", "import", full, tmp_path / "full.ndjson", status=1)
    assert terminal.fetch_events(full) == stored


def test_a_csv_export_has_columns_for_what_was_found_out_if_it_is_asked_to(
    terminal: Terminal, project_key: str
) -> None:
    post(terminal, project_key, [{"eventName": "a", "ip": "8.8.8.8"}])
    (record,) = csv.DictReader(terminal.run("events", "export", project_key, "--format", "csv").stdout.splitlines())
    assert "country" not in record
    enriched = terminal.run("events", "export", project_key, "--format", "csv", "--enriched").stdout
    (record,) = csv.DictReader(enriched.splitlines())
    assert (record["eventName"], record["country"], record["city"]) == ("a", "US", "")


def test_an_export_can_be_bounded_in_the_time_zone_of_the_project(terminal: Terminal) -> None:
    project_key = terminal.create_project("--timezone", "Asia/Kathmandu")
    times = ["2025-01-05T18:14:59.999Z", "2025-01-05T18:15:00Z", "2025-01-06T18:14:59Z", "2025-01-06T18:15:00Z", "?"]
    post(terminal, project_key, [{"eventName": "a", "timestamp": time} for time in times])
    day = ("--from", "2025-01-06", "--to", "2025-01-06")
    lines = terminal.run("events", "export", project_key, *day).stdout.splitlines()
    assert [json.loads(line)["timestamp"] for line in lines] == times[1:3]
    lines = terminal.run("events", "export", project_key, "--from", "2025-01-06T18:15:00Z").stdout.splitlines()
    assert [json.loads(line)["timestamp"] for line in lines] == times[3:4]
    assert "from must be before to" in terminal.run(
        "events", "export", project_key, "--from", "2025-01-07", "--to", "2025-01-06", status=2
    ).stderr


def test_an_export_of_no_events_is_an_empty_file(terminal: Terminal, project_key: str, tmp_path: Path) -> None:
    terminal.run("events", "export", project_key, "--output", tmp_path / "none.ndjson")
    assert (tmp_path / "none.ndjson").read_bytes() == b""
    header = terminal.run("events", "export", project_key, "--format", "csv").stdout
    assert header.startswith("eventName,timestamp,eventId,")
    result = terminal.run("events", "export", project_key, "--output", "no/such/folder/x", status=2)
    assert "No such file" in result.stderr


# --- the columnar copy -------------------------------------------------------------------------------------------


@pytest.fixture
def copied(terminal: Terminal, project_key: str) -> Path:
    """The folder of a copy of two segments, and a tail behind them."""
    for start in (0, 30, 60):
        post(terminal, project_key, [{"eventName": "a", "eventId": str(start + n), "x": n} for n in range(30)])
        if start < 60:
            terminal.run("copy", "seal", project_key)
    folder = terminal.context.config.data_dir / "columns" / project_key
    assert len(find_segments(folder)) == 2
    return folder


def find_segments(folder: Path) -> list[Path]:
    """The files of the segments in force, oldest first."""
    return [folder / segment["file"] for segment in json.loads((folder / "manifest.json").read_bytes())["segments"]]


def edit_manifest(folder: Path, edit: Any) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    edit(manifest)
    changed = path.with_suffix(".changed")
    changed.write_text(json.dumps(manifest))
    changed.replace(path)


def test_a_copy_that_holds_what_the_store_holds_is_ok(terminal: Terminal, project_key: str, copied: Path) -> None:
    post(terminal, project_key, HOSTILE_EVENTS)
    total = 90 + len(HOSTILE_EVENTS)
    checked = terminal.run("copy", "check", project_key).stdout
    assert checked == f"{project_key}\tok\t{total} events in 2 segments and the tail\n"
    assert f"{total} events sealed, 0 not yet" in terminal.run("copy", "seal", project_key).stdout
    assert "\tok\t" in terminal.run("copy", "check", "--all").stdout


def test_the_check_finds_a_segment_that_is_missing_from_the_manifest(
    terminal: Terminal, project_key: str, copied: Path
) -> None:
    edit_manifest(copied, lambda manifest: manifest["segments"].pop(0))
    result = terminal.run("copy", "check", project_key, status=1)
    assert f"{project_key}\tDISAGREES\t90 events in the store, 60 in the copy" in result.stdout


def test_the_check_finds_a_segment_whose_file_is_gone(terminal: Terminal, project_key: str, copied: Path) -> None:
    find_segments(copied)[0].unlink()
    assert "a file cannot be read" in terminal.run("copy", "check", project_key, status=1).stdout


def test_the_check_finds_a_wrong_number_in_the_manifest_and_the_segment_is_made_anew(
    terminal: Terminal, project_key: str, copied: Path
) -> None:
    edit_manifest(copied, lambda manifest: manifest["segments"][1].update(count=29))
    assert "another number of events" in terminal.run("copy", "check", project_key, status=1).stdout
    assert "\tok\t90 events" in terminal.run("copy", "check", project_key).stdout


def test_the_check_finds_a_segment_that_holds_other_events_of_the_same_number(
    terminal: Terminal, project_key: str, copied: Path
) -> None:
    other = terminal.create_project()
    post(terminal, other, [{"eventName": "a", "eventId": str(n), "x": n + 1} for n in range(30)])
    terminal.run("copy", "seal", other)
    (foreign,) = find_segments(copied.parent / other)
    own = find_segments(copied)[0]
    own.unlink()
    shutil.copy(foreign, own)
    assert "90 events on both sides, but not the same" in terminal.run("copy", "check", project_key, status=1).stdout


def test_a_rebuilt_copy_is_right_again_and_reports_with_it(terminal: Terminal, project_key: str, copied: Path) -> None:
    find_segments(copied)[0].unlink()
    assert "90 events sealed, 0 not yet" in terminal.run("copy", "rebuild", project_key).stdout
    terminal.run("copy", "check", "--all")
    overview = terminal.app.test_client().get(f"/v1/reports/overview?projectKey={project_key}").get_json()
    assert overview["totalEvents"] == 90


def test_a_copy_of_no_events_is_ok(terminal: Terminal, project_key: str) -> None:
    assert "\tok\t0 events" in terminal.run("copy", "check", project_key).stdout
    terminal.run("copy", "rebuild", "--all")


def test_commands_on_the_copy_need_a_project_or_all(terminal: Terminal, project_key: str) -> None:
    for name in ("rebuild", "check", "seal"):
        assert "PROJECT_KEY, or --all" in terminal.run("copy", name, status=2).stderr
        assert "PROJECT_KEY, or --all" in terminal.run("copy", name, project_key, "--all", status=2).stderr
        assert "not found" in terminal.run("copy", name, "0123456789ab", status=2).stderr


def test_the_copy_is_checked_event_by_event_on_mongodb(make_app: MakeApp, mongodb_store: Any) -> None:
    terminal = Terminal(make_app(store_object=mongodb_store))
    project_key = terminal.create_project()
    post(terminal, project_key, HOSTILE_EVENTS)
    wait_until_settled(terminal, project_key)
    assert "events sealed, 0 not yet" in terminal.run("copy", "seal", project_key).stdout
    assert f"\tok\t{len(HOSTILE_EVENTS)} events in 1 segments" in terminal.run("copy", "check", project_key).stdout
    other = terminal.create_project()
    exported = terminal.run("events", "export", project_key).stdout_bytes
    terminal.run("events", "import", other, "-", stdin=exported)
    assert sorted(terminal.fetch_events(other), key=repr) == sorted(terminal.fetch_events(project_key), key=repr)


def wait_until_settled(terminal: Terminal, project_key: str) -> None:
    store, posted_ms = terminal.context.store, fetch_now_ms()
    while store.settled_position(project_key, now_ms=fetch_now_ms()) <= posted_ms:
        pass


# --- the demo ----------------------------------------------------------------------------------------------------


def test_the_demo_is_made_once_and_completed_where_it_was_cut_short(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_at_call(patch, terminal, 3)
        assert "apiKey: ak_live_" in terminal.run("demo", "--events", 3000, status=3).stdout
    (project_key,) = (line.split("\t")[0] for line in terminal.run("projects", "list").stdout.splitlines())
    assert terminal.context.store.count(project_key) == 2000
    shown = terminal.run("demo", "--events", 3000).stdout
    assert project_key in shown
    assert "apiKey" not in shown
    assert terminal.run("demo", "--events", 3000).stdout == shown
    assert terminal.context.store.count(project_key) == 3000
