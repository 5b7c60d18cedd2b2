"""The tests that the pages show are tests: they run as a user's would, and pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, blocks

PAGES = ("docs/testing.md", "docs/guides/your-provider.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_tests_of_the_page_pass(page: str, tmp_path: Path) -> None:
    """Each piece is a file, a test module if it has no name, in a project with the page's settings of pytest."""
    pieces = [block for block in blocks(ROOT / page, "python") if "def test_" in block.code or block.file]
    (settings,) = blocks(ROOT / page, "ini")
    (tmp_path / "pytest.ini").write_text(f"{settings.code}filterwarnings = error\n")
    for number, piece in enumerate(pieces):
        (tmp_path / (piece.file or f"test_{number}.py")).write_text(piece.code)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "pytest_trio.plugin", "-p", "_gestura_pytestplugin"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )

    assert 0 == run.returncode, run.stdout
    assert sum(piece.code.count("def test_") for piece in pieces) <= int(re.findall(r"(\d+) passed", run.stdout)[0])
