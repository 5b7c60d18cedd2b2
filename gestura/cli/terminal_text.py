r"""Text from a model made safe to show: what could command the terminal, or reorder its line, is shown instead of sent.

A model can be talked into writing escape sequences, and a terminal obeys them: title, clipboard, links, colours that
hide text. C0 controls become their Unicode pictures (`␛`), the rest an escape (`\x9b`). One character makes one piece
of output whatever stands around it, so text that arrives in pieces needs no memory.
"""

from __future__ import annotations

import re

__all__ = ["visible", "visible_line"]

# C0 controls but tab and newline, DEL, C1 controls; bidirectional embeddings, overrides and isolates (UAX 9), which
# can show a line in another order than it runs in; surrogates, which no encoding can write.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE_ENDS = str.maketrans({"\n": "␊", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def visible(text: str) -> str:
    r"""`text`, with newlines and tabs as they are and every other control character shown.

    >>> visible("\x1b[2Jgone?\r")
    '␛[2Jgone?␍'
    """
    return _UNSAFE.sub(_picture, text)


def visible_line(text: str) -> str:
    r"""The same, on one line: for names and messages.

    >>> visible_line("no\nsuch tool")
    'no␊such tool'
    """
    return visible(text).translate(_LINE_ENDS)


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
