"""A report's answer as CSV (RFC 4180, UTF-8); and what every CSV of the service does with texts.

Texts come from whoever sends events, and programs for tables run a text as a formula that begins like one. Such a text
gets an apostrophe in front, as OWASP advises (CSV Injection), here and in exports. Numbers stay as they are.
"""

from __future__ import annotations

import csv
import io
from typing import Any, Final

import msgspec

from services.reports.report import Report

FORMULA_BEGINNINGS: Final = "=+-@\t\r\n＝＋－＠"
"""A text that begins with one of these may be run by a program that opens the table."""
GUARD: Final = "'"


def format_csv(report: Report, answer: dict[str, Any]) -> str:
    """A header and the report's rows; with a comparison the column `period` tells `current` from `previous` rows.

    Null is an empty cell, true and false are written so, lists and objects as JSON.
    """
    periods = {"current": answer, "previous": answer.get("previous")}
    has_value = any("breakdown" in result for result in periods.values() if result)
    columns = [*(["period"] if answer.get("previous") else []), *(["value"] if has_value else []), *report.columns]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    for period, result in periods.items():
        for row in report.list_rows(result) if result else ():
            writer.writerow({"period": period, **{column: format_cell(cell) for column, cell in row.items()}})
    return text.getvalue()


def format_cell(cell: Any) -> str:
    """One value as text."""
    if cell is None:
        return ""
    if not isinstance(cell, str):
        return msgspec.json.encode(cell).decode()
    return GUARD + cell if cell.startswith(tuple(FORMULA_BEGINNINGS)) else cell


def build_cell_sql(column: str) -> str:
    """SQL of a cell with the text of a column, quoted; null is an empty one."""
    # the number of the first character is found out in a fifth of the time that cutting it off takes
    beginnings = ", ".join(str(ord(character)) for character in FORMULA_BEGINNINGS)
    opening = f"""CASE WHEN unicode({column}) IN ({beginnings}) THEN '"{GUARD * 2}' ELSE '"' END"""
    return f"""coalesce({opening} || replace({column}, '"', '""') || '"', '')"""
