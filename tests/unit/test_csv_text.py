"""Texts in CSV that programs for tables could run."""

from __future__ import annotations

import duckdb
import pytest

from services.reports.csv_text import build_cell_sql, format_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠x", "="])
def test_a_text_that_begins_like_a_formula_gets_an_apostrophe_in_front(text: str) -> None:
    assert format_cell(text) == f"'{text}"
    assert format_in_sql(text) == f"\"'{text}\""


@pytest.mark.parametrize("text", ["", "a=1", " =1", "'=1", "é", "1-1", '"=1'])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert format_cell(text) == text
    assert format_in_sql(text) == '"' + text.replace('"', '""') + '"'


def test_numbers_are_no_texts_and_nothing_is_an_empty_cell() -> None:
    assert [format_cell(value) for value in (-1, -0.5, True, None, ["=1"])] == ["-1", "-0.5", "true", "", '["=1"]']
    assert format_in_sql(None) == ""


def format_in_sql(text: str | None) -> str:
    sql = f"SELECT {build_cell_sql('x')} FROM (SELECT $text::VARCHAR AS x)"
    ((cell,),) = duckdb.execute(sql, {"text": text}).fetchall()
    return str(cell)
