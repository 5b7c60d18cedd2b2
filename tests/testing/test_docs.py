"""The tests that docs/testing.md shows are tests: they run as a user's would, and pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """Each piece is a test module of its own, in a project with pytest-trio and gestura's plugin."""
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    pieces = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\nfilterwarnings = error\n")
    for number, piece in enumerate(pieces):
        (tmp_path / f"test_{number}.py").write_text(piece)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "pytest_trio.plugin", "-p", "_gestura_pytestplugin"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )

    assert 0 == run.returncode, run.stdout
    assert sum(piece.count("def test_") for piece in pieces) <= int(re.findall(r"(\d+) passed", run.stdout)[0])
