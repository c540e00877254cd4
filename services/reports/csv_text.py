"""A report's answer as CSV (RFC 4180, UTF-8)."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec

from services.reports.report import Report


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
    return cell if isinstance(cell, str) else msgspec.json.encode(cell).decode()
