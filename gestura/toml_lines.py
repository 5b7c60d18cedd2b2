"""On which line of a TOML file a setting stands, for error messages: the standard library's parser does not tell.

Reads table headers and keys at the beginnings of lines, which is how people write settings. A key within an inline
table, or behind a quoted dot, is not found; then the nearest thing that is counts.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["lines_of"]

_HEADER: Final = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_KEY: Final = re.compile(r"\s*([\w.\"' -]+?)\s*=")


def lines_of(text: str) -> dict[str, int]:
    r"""The line number, from 1, of each table and key that is found, by its dotted path.

    >>> lines_of("primary = 'openai'\n\n[openai]\nmodel = 'm'\n")
    {'primary': 1, 'openai': 3, 'openai.model': 4}
    """
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = _path(header[1])
            lines.setdefault(section, number)
        elif key := _KEY.match(line):
            lines.setdefault(".".join(filter(None, (section, _path(key[1])))), number)
    return lines


def _path(written: str) -> str:
    return ".".join(name.strip(" \"'") for name in written.split("."))
