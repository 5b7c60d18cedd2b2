"""The pages that a reader sees, and the blocks of code on them: what the tests of the documentation share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
INDEX = ROOT / "docs" / "index.md"
PAGES = [README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@attrs.frozen
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    code: str

    @property
    def file(self) -> str | None:
        """The file that it is, where its first line is the name of one: `# parrot.py`."""
        named = re.match(r"# (\w+\.\w+)\n", self.code)
        return named[1] if named else None

    @property
    def is_program(self) -> bool:
        """Whether it is a whole program of Python."""
        return "trio.run(" in self.code or "asyncio.run(" in self.code

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, language: str | None = None) -> Iterator[Block]:
    """The blocks of a page, in their order; of one language, or all."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language in (None, found[1]):
            yield Block(page, text.count("\n", 0, found.start(2)) + 1, found[1], found[2])
