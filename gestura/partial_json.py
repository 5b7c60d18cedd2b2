"""`PartialJson`: JSON that is still being written, and what it means so far.

Contract: pieces of text in, cut anywhere. `current` is the value as far as it is known: arrays and objects lack what is
still to come, the string that is being written is its own beginning, and a number or a literal appears when it is
whole. So what was shown only ever grows, unless an object has a key twice: then the later one counts, as in `json`.
The syntax is that of RFC 8259, to the letter, but for a Markdown fence (three backticks, a word, the end of the line),
which some models put around all of it.

Each character is read once, and `current` is one live structure, not a copy. The string that is being written has to be
joined anew for a look at it: so that looking often costs linear time, too, a long one may lack its last half percent.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn, cast

from gestura.errors import InvalidValue

__all__ = ["PartialJson"]


def _run_of(pattern: str) -> Callable[..., re.Match[str]]:
    """A pattern that matches everywhere, if only nothing."""
    return cast("Callable[..., re.Match[str]]", re.compile(pattern).match)


BLANK: Final = _run_of(r"[ \t\n\r]*")
FENCE_END: Final = _run_of(r"[` \t\n\r]*")
INFO: Final = _run_of(r"[^\n{\[]*")
"""What stands between the opening fence and the value: `json`, usually."""

PLAIN: Final = _run_of(r'[^"\\\x00-\x1f]*')
WHOLE_STRING: Final = re.compile(r'"([^"\\\x00-\x1f]*)"').match
ESCAPES: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
HEX: Final = _run_of(r"[0-9a-fA-F]*")
NUMERIC: Final = _run_of(r"[-+.0-9eE]*")
NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?").fullmatch
LITERALS: Final[dict[str, tuple[str, bool | None]]] = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}

JOIN_AFTER: Final = 1 / 256
"""The share by which a string grows before it is joined anew. One of fewer than 256 characters is always exact."""


class PartialJson:
    """Reads JSON piece by piece: `feed` it, look at `current`, and `close` it at the end.

    Of use for the arguments of a tool call while they come, as for an answer in JSON.

    Args:
        max_depth: how many arrays and objects may stand inside one another.

    >>> partial = PartialJson()
    >>> partial.feed('{"title": "Panc')
    True
    >>> partial.current
    {'title': 'Panc'}
    >>> partial.feed('akes", "eggs": 1')
    True
    >>> partial.current
    {'title': 'Pancakes'}
    >>> partial.feed("2}")
    True
    >>> partial.close()
    {'title': 'Pancakes', 'eggs': 12}
    """

    def __init__(self, *, max_depth: int = 128) -> None:
        self._max_depth = max_depth
        self._state: _State = PartialJson._before
        self._error: InvalidValue | None = None
        self._changed = False
        self._fenced = False
        # Where values go: the root is the only item of a list.
        self._root: list[Any] = []
        self._around: list[list[Any] | dict[str, Any]] = [self._root]
        self._key = ""
        # A token that is not whole.
        self._token = io.StringIO()
        self._literal_begun = ""
        self._is_key = False
        self._escape = ""
        self._high_surrogate = ""
        # A string value that is not whole: how long it is, and how much of it `current` shows.
        self._growing = False
        self._length = 0
        self._shown = 0
        # What was read before this piece.
        self._offset = 0
        self._lines = 0
        self._line_start = 0

    def feed(self, text: str) -> bool:
        """Take a piece.

        Returns:
            Whether `current` may show more than before.

        Raises:
            InvalidValue: this is no JSON, or it is nested too deeply; the message says where. What was read before
                stays in `current`.
        """
        self._raise_again()
        self._changed = False
        at, end = 0, len(text)
        while at < end:
            at = self._state(self, text, at)
        if newlines := text.count("\n"):
            self._lines += newlines
            self._line_start = self._offset + text.rindex("\n") + 1
        self._offset += end
        return self._changed

    def close(self) -> Any:
        """The text has ended: the value.

        Raises:
            InvalidValue: the text ends too early.
        """
        self._raise_again()
        if self._state is PartialJson._number:
            self._end_number("", 0)
        if not self.complete:
            self._refuse("the text ends too early" if self._root else "there is no value", "", 0)
        return self.current

    @property
    def current(self) -> Any:
        """The value so far; `None` before it begins. The same live list or dict each time: copy it to keep a state."""
        if self._growing and self._length - self._shown > self._shown * JOIN_AFTER:
            self._replace(self._token.getvalue())
            self._shown = self._length
        return self._root[0] if self._root else None

    @property
    def complete(self) -> bool:
        """Whether the value is whole. A bare number is when the text is closed."""
        return self._state is PartialJson._end

    # States: each reads from `at` on, and returns where it stopped.

    def _before(self, text: str, at: int) -> int:
        at = BLANK(text, at).end()
        if text.startswith("`", at):
            self._fenced = True
            self._state = PartialJson._info
        elif at < len(text):
            self._state = PartialJson._value
        return at

    def _info(self, text: str, at: int) -> int:
        at = INFO(text, at).end()
        if at < len(text):
            self._state = PartialJson._value
        return at

    def _value(self, text: str, at: int) -> int:
        at = BLANK(text, at).end()
        if at == len(text):
            return at
        match text[at]:
            case '"':
                return self._begin_string(text, at, is_key=False)
            case "{":
                self._enter({}, PartialJson._key_or_end, text, at)
            case "[":
                self._enter([], PartialJson._item_or_end, text, at)
            case "t" | "f" | "n" as initial:
                self._literal_begun = initial
                self._state = PartialJson._literal
            case "-" | "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9":
                self._token = io.StringIO()
                self._state = PartialJson._number
                return at
            case _:
                self._refuse("expected a value", text, at)
        return at + 1

    def _item_or_end(self, text: str, at: int) -> int:
        at = BLANK(text, at).end()
        if text.startswith("]", at):
            return self._leave(at)
        if at < len(text):
            self._state = PartialJson._value
        return at

    def _key_or_end(self, text: str, at: int) -> int:
        at = BLANK(text, at).end()
        if text.startswith("}", at):
            return self._leave(at)
        if at < len(text):
            self._state = PartialJson._next_key
        return at

    def _next_key(self, text: str, at: int) -> int:
        at = BLANK(text, at).end()
        if at == len(text):
            return at
        if text[at] != '"':
            self._refuse("expected a key in double quotes", text, at)
        return self._begin_string(text, at, is_key=True)

    def _colon(self, text: str, at: int) -> int:
        at = BLANK(text, at).end()
        if at == len(text):
            return at
        if text[at] != ":":
            self._refuse("expected ':'", text, at)
        self._state = PartialJson._value
        return at + 1

    def _after_value(self, text: str, at: int) -> int:
        at = BLANK(text, at).end()
        if at == len(text):
            return at
        in_array = isinstance(self._around[-1], list)
        closer = "]" if in_array else "}"
        if text[at] == closer:
            return self._leave(at)
        if text[at] != ",":
            self._refuse(f"expected ',' or '{closer}'", text, at)
        self._state = PartialJson._value if in_array else PartialJson._next_key
        return at + 1

    def _end(self, text: str, at: int) -> int:
        at = (FENCE_END if self._fenced else BLANK)(text, at).end()
        if at < len(text):
            self._refuse("expected the end of the text", text, at)
        return at

    def _string(self, text: str, at: int) -> int:
        end = PLAIN(text, at).end()
        if end > at:
            self._say(text[at:end])
        if end == len(text):
            return end
        match text[end]:
            case '"':
                self._end_string()
            case "\\":
                self._escape = ""
                self._state = PartialJson._in_escape
            case _:
                self._refuse("a control character in a string must be escaped", text, end)
        return end + 1

    def _in_escape(self, text: str, at: int) -> int:
        """What follows a backslash, of which `_escape` was read before."""
        if not self._escape:
            if text[at] == "u":
                self._escape = "u"
                return at + 1
            if text[at] not in ESCAPES:
                self._refuse("no such escape in a string", text, at)
            self._say(ESCAPES[text[at]])
            self._state = PartialJson._string
            return at + 1
        end = HEX(text, at, at + 5 - len(self._escape)).end()
        self._escape += text[at:end]
        if len(self._escape) == 5:
            self._say_escaped(chr(int(self._escape[1:], 16)))
            self._state = PartialJson._string
        elif end < len(text):
            self._refuse("expected four hexadecimal digits", text, end)
        return end

    def _number(self, text: str, at: int) -> int:
        end = NUMERIC(text, at).end()
        self._token.write(text[at:end])
        if end < len(text):
            self._end_number(text, end)
        return end

    def _literal(self, text: str, at: int) -> int:
        begun = self._literal_begun
        word, value = LITERALS[begun[0]]
        piece = text[at : at + len(word) - len(begun)]
        self._literal_begun += piece
        if not word.startswith(self._literal_begun):
            self._refuse("expected a value", text, at - len(begun))
        if word == self._literal_begun:
            self._put(value)
        return at + len(piece)

    # What states do.

    def _begin_string(self, text: str, at: int, *, is_key: bool) -> int:
        self._is_key = is_key
        if whole := WHOLE_STRING(text, at):
            self._have_string(whole[1])
            return whole.end()
        if not is_key:
            self._put("")
            self._growing = True
            self._length = self._shown = 0
        self._token = io.StringIO()
        self._state = PartialJson._string
        return at + 1

    def _say(self, text: str) -> None:
        if self._high_surrogate:
            text = self._high_surrogate + text
            self._high_surrogate = ""
        self._token.write(text)
        if self._growing:
            self._length += len(text)
            self._changed = True

    def _say_escaped(self, unit: str) -> None:
        """A unit of UTF-16. The first half of a pair waits for the second, if that follows as an escape, too."""
        if self._high_surrogate and "\udc00" <= unit <= "\udfff":
            pair = self._high_surrogate + unit
            self._high_surrogate = ""
            self._say(pair.encode("utf-16-le", "surrogatepass").decode("utf-16-le"))
            return
        is_high = "\ud800" <= unit <= "\udbff"
        if not is_high or self._high_surrogate:
            self._say("" if is_high else unit)
        self._high_surrogate = unit if is_high else ""

    def _end_string(self) -> None:
        if self._high_surrogate:
            self._say("")
        text = self._token.getvalue()
        if self._growing:
            self._growing = False
            self._replace(text)
            self._changed = True
            self._go_on()
        else:
            self._have_string(text)

    def _have_string(self, text: str) -> None:
        if self._is_key:
            self._key = text
            self._state = PartialJson._colon
        else:
            self._put(text)

    def _end_number(self, text: str, at: int) -> None:
        digits = self._token.getvalue()
        match = NUMBER(digits)
        if match is None:
            self._refuse("this is no number", text, at - len(digits))
        try:
            self._put(float(digits) if match[1] or match[2] else int(digits))
        except ValueError:  # CPython reads whole numbers of 4,300 digits
            self._refuse("a number of too many digits", text, at - len(digits))

    def _enter(self, container: list[Any] | dict[str, Any], state: _State, text: str, at: int) -> None:
        if len(self._around) > self._max_depth:
            self._refuse(f"nested more than {self._max_depth} deep", text, at)
        self._put(container)
        self._around.append(container)
        self._state = state

    def _leave(self, at: int) -> int:
        self._around.pop()
        self._go_on()
        return at + 1

    def _go_on(self) -> None:
        self._state = PartialJson._after_value if len(self._around) > 1 else PartialJson._end

    def _put(self, value: Any) -> None:
        into = self._around[-1]
        if isinstance(into, list):
            into.append(value)
        else:
            into[self._key] = value
        self._changed = True
        self._go_on()

    def _replace(self, text: str) -> None:
        into = self._around[-1]
        if isinstance(into, list):
            into[-1] = text
        else:
            into[self._key] = text

    def _refuse(self, why: str, text: str, at: int) -> NoReturn:
        """`at` may lie before this piece, if no line has ended since."""
        before = max(at, 0)
        line_start = self._line_start
        if newline := text.rfind("\n", 0, before) + 1:
            line_start = self._offset + newline
        line = self._lines + text.count("\n", 0, before) + 1
        column = self._offset + at - line_start + 1
        self._error = InvalidValue(f"not valid JSON: {why} at line {line}, column {column}")
        raise self._error

    def _raise_again(self) -> None:
        if self._error is not None:
            raise self._error


_State = Callable[[PartialJson, str, int], int]
