"""Lays out what the site is built from: `python docs/site build/site`. Zensical builds it then: see the Makefile.

The pages of `docs/` are written to read well where they lie, on any host of code. The site has them as they are, and
beside them: the pages of the top folder that they link to, a page for each example, and the reference of the API, made
from the docstrings. Links follow their targets.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

from reference import PAGES, page_of

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
ASSETS: Final = ("*.svg", "*.png", "*.gif", "*.cast", "*.webp")


def lay_out(target: Path) -> None:
    """Put the pages, and the configuration, into an empty folder."""
    shutil.rmtree(target, ignore_errors=True)
    pages = target / "pages"
    places = {source: pages / place for source, place in _places().items()}
    for source, place in places.items():
        text = source.read_text(encoding="utf-8")
        _write(place, _example(source.name, text) if source.suffix == ".py" else _relinked(text, source, place, places))
    for pattern in ASSETS:
        for source in DOCS.rglob(pattern):
            _copy(source, pages / source.relative_to(DOCS))
    _copy(DOCS / "site" / "site.css", pages / "site.css")
    for name in PAGES:
        _write(pages / "api" / f"{name}.md", page_of(name))
    configuration = (DOCS / "site" / "zensical.toml").read_text(encoding="utf-8")
    api = ", ".join(f'"api/{name}.md"' for name in PAGES)
    _write(target / "zensical.toml", configuration.replace('"API" = []', f'"API" = [{api}]'))


def _places() -> dict[Path, str]:
    """Each page's source, and where it stands on the site."""
    places = {source: source.relative_to(DOCS).as_posix() for source in sorted(DOCS.rglob("*.md"))}
    places |= {ROOT / f"{name}.md": f"{name.lower()}.md" for name in ("CHANGELOG", "CONTRIBUTING")}
    places |= {source: f"examples/{source.stem}.md" for source in sorted((DOCS / "examples").glob("*.py"))}
    return places


def _relinked(text: str, source: Path, place: Path, places: dict[Path, Path]) -> str:
    """The text, with its links to other pages led to where these stand."""

    def follow(link: re.Match[str]) -> str:
        target = places.get((source.parent / link[1]).resolve())
        return link[0] if target is None else f"]({Path(os.path.relpath(target, place.parent)).as_posix()}"

    return re.sub(r"\]\((?!https?:|#)([^)#]+)", follow, text)


def _example(name: str, code: str) -> str:
    """The page of an example: what its docstring says, and the program behind it."""
    docstring = ast.get_docstring(ast.parse(code)) or name
    title, _, rest = docstring.partition("\n")
    code = code.partition('\n"""\n\n')[2]
    return f'# {title.rstrip(".")}\n\n{rest}\n\n```python title="{name}"\n{code}```\n'


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
