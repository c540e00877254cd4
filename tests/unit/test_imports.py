"""Imports go one way: routes -> services -> stores, columns. And importing opens or loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import PROJECT_ROOT

LAYERS = ("routes", "commands", "services", "stores", "columns")
WEB = {"flask", "flask_cors", "flasgger", "werkzeug"}
TERMS = {"services.clock", "services.errors"}
"""The vocabulary that every layer shares."""

MAY_NOT_IMPORT = {
    "routes": {"app", "commands", "columns", "db", "gunicorn"},
    "commands": {"app", "routes", "db", "gunicorn"},
    "services": {"app", "routes", "commands", "gunicorn", *WEB},
    "stores": {"app", "routes", "commands", "services", "columns", "config", "db", "gunicorn", *WEB},
    "columns": {"app", "routes", "commands", "services", "config", "db", "gunicorn", *WEB},
}


def sources_of(layer: str) -> list[Path]:
    return sorted((PROJECT_ROOT / layer).rglob("*.py"))


def imported_by(path: Path) -> Iterator[str]:
    """Every module that the file imports, at whatever depth, as an absolute name; those for type checkers too."""
    package = path.relative_to(PROJECT_ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            module = base + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def is_within(module: str, names: set[str]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in names)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_what_is_below_it(layer: str) -> None:
    assert sources_of(layer)
    wrong = [
        f"{path.relative_to(PROJECT_ROOT)} imports {module}"
        for path in sources_of(layer)
        for module in imported_by(path)
        if is_within(module, MAY_NOT_IMPORT[layer]) and not is_within(module, TERMS)
    ]
    # For type checkers the settings' type may be named anywhere: it is data.
    assert [line for line in wrong if not line.endswith("config.Config")] == []


def reads_a_variable(node: ast.AST) -> bool:
    """`os.getenv`, `os.environ[...]`, `os.environ.get`. Handing the whole environment to a child is none of these."""
    if isinstance(node, ast.Attribute):
        return ast.unparse(node) == "os.getenv" or ast.unparse(node.value) == "os.environ"
    return isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ"


@pytest.mark.parametrize("layer", LAYERS)
def test_only_the_settings_read_the_environment(layer: str) -> None:
    nodes = ((path, node) for path in sources_of(layer) for node in ast.walk(ast.parse(path.read_text())))
    readers = {str(path) for path, node in nodes if reads_a_variable(node)}
    assert readers == set()


def test_importing_the_application_opens_nothing_and_leaves_the_report_engine_out() -> None:
    program = (
        "import sys, threading, app\n"
        "assert threading.active_count() == 1\n"
        "assert 'app' not in vars(app)\n"
        "heavy = {'duckdb', 'pyarrow', 'numpy', 'pandas', 'pymongo', 'gunicorn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
