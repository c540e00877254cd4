"""docs/stories.md: every request is answered as it is shown, on the shop imported as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline import Pipeline, find_differences, open_pipeline
from tests.shop import DATA, MAPPING, import_file
from tests.verbatim import send

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "stories.md"
EXAMPLE_KEY = "a1b2c3d4e5f6"
EXAMPLES = re.findall(r"```bash\n(curl .*?)```\n+```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pipeline, str]]:
    with open_pipeline(tmp_path_factory.mktemp("stories"), None) as pipeline:
        yield pipeline, import_file(pipeline, DATA, *MAPPING, "--map", "session_id=sessionId")


def pick(answer: Any, shown: Any) -> Any:
    """Of an answer what the document shows: some of the fields, but all elements of a list."""
    if isinstance(answer, dict) and isinstance(shown, dict):
        return {name: pick(answer[name], part) for name, part in shown.items()}
    if isinstance(answer, list) and isinstance(shown, list) and len(answer) == len(shown):
        return [pick(element, part) for element, part in zip(answer, shown, strict=True)]
    return answer


def test_every_request_has_an_answer() -> None:
    assert len(EXAMPLES) == DOCUMENT.read_text().count("\ncurl ") > 15


@pytest.mark.parametrize(("command", "answer"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_answer_is_the_one_that_is_shown(shop: tuple[Pipeline, str], command: str, answer: str) -> None:
    pipeline, project_key = shop
    response = send(pipeline.client, command, {EXAMPLE_KEY: project_key})
    assert response.status_code == 200, response.text
    shown = json.loads(answer)
    assert shown
    assert find_differences(pick(response.json, shown), shown) == []
