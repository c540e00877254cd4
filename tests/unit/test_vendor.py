"""Libraries of other people that pages load are the files of the packages that web/vendor/README.md names."""

from __future__ import annotations

import hashlib
import re

from services.web_files import WEB_FOLDER

VENDOR = WEB_FOLDER / "vendor"
LICENCES = ("Permission is hereby granted", "SIL Open Font License")
ROW = re.compile(
    r"^\| `([^`]+)`[^|]*\| \[[^|]+\| ([0-9.]+) \| `([^`]+)` \([^|]+\) \| `([0-9a-f]{64})` \|$", re.MULTILINE
)


def test_each_file_is_the_one_whose_sha256_is_written_down() -> None:
    listed = {name: sha256 for name, _, _, sha256 in ROW.findall((VENDOR / "README.md").read_text())}
    found = {path.name for path in VENDOR.iterdir() if path.suffix not in (".md", ".LICENSE")}
    assert listed.keys() == found
    assert {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in found} == listed


def test_each_file_comes_with_its_licence_and_says_its_version() -> None:
    for name, version, licence, _ in ROW.findall((VENDOR / "README.md").read_text()):
        assert any(words in (VENDOR / licence).read_text() for words in LICENCES)
        if name.endswith(".js"):
            assert f"v{version}" in (VENDOR / name).read_text()[:400]
