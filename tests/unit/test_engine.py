"""The report engine's settings hold for the connections that queries run on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from columns.engine import Engine


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("parquet_metadata_cache", True),
        ("enable_external_access", False),
        ("lock_configuration", True),
        ("preserve_insertion_order", False),
        ("arrow_lossless_conversion", True),
    ],
)
def test_every_cursor_has_the_settings_of_the_engine(tmp_path: Path, setting: str, value: Any) -> None:
    engine = Engine(tmp_path / "columns", memory_limit_bytes=100_000_000, threads=1)
    with engine.open_cursor() as cursor:
        assert cursor.execute("SELECT current_setting($name)", {"name": setting}).fetchone() == (value,)
    engine.close()
