"""Reasoning that a model writes into its text, `<think>…</think>`, told apart from the answer.

Contract: `Text` in, `Text` and `Thinking` out, the same wherever the text was cut. Only tags vanish; white space stays.
At most a tag less one character is held back, and linear time is spent. A block that never closes is thinking; half a
tag at the end is part of what it stands in. Tags don't nest; `<Think>`, `<thinking>` and `<think >` are text.

A closer as the first tag means that the stream opened inside thinking (a chat template wrote the opener). Text already
shown can't be recalled, and holding text back would cost every answer its liveliness: so the closer is dropped, an
`Anomaly` is counted, and `starts_inside=True` is there for such models. `split_think_blocks` sees the whole and needs
no setting. Any later closer without an opener is text. A provider that sends reasoning of its own does not use tags:
after its first `Thinking`, all text is text. `Usage`, `ModelName`, `Anomaly` and `ProviderEvent`, which may come with
every event, may stand inside a split tag; before any other delta the beginning of a tag is released.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import attrs

from gestura.chunks import ProviderEvent, Text, Thinking
from gestura.errors import ConfigError
from gestura.stages.deltas import Anomaly, Delta, ModelName, Oddity, Usage

__all__ = ["ThinkTagParser", "split_think_blocks"]


class _State:
    """What text is for now, and the tags that can end that."""

    def __init__(self, kind: type[Text | Thinking], tags: Sequence[str]) -> None:
        self.kind = kind
        self._tags = tags
        self._longest = max(map(len, tags))
        # A compiled pattern finds the first of several tags in one pass; `str.find` would take one for each.
        self.find_tag = re.compile("|".join(map(re.escape, tags))).search

    def tag_begins_at(self, text: str, start: int) -> int:
        """Where, from `start` on, `text` ends in the beginning of a tag; its length if it doesn't."""
        # A tag holds one "<", so only the last one in reach can begin it.
        begin = text.rfind("<", max(start, len(text) - self._longest + 1))
        if begin >= 0 and any(tag.startswith(text[begin:]) for tag in self._tags):
            return begin
        return len(text)


@attrs.frozen
class _States:
    """All states of a parser for some tags, in which nothing changes: its first ones, and those after each tag."""

    outside: _State
    inside: _State
    after: Mapping[str, _State]


@lru_cache
def _states(tags: tuple[str, ...]) -> _States:
    _check(tags)
    openers = tuple(f"<{tag}>" for tag in tags)
    closers = tuple(f"</{tag}>" for tag in tags)
    after_closer = _State(Text, openers)
    after = {opener: _State(Thinking, (closer,)) for opener, closer in zip(openers, closers, strict=True)}
    return _States(
        outside=_State(Text, openers + closers),
        inside=_State(Thinking, openers + closers),
        after={**after, **dict.fromkeys(closers, after_closer)},
    )


class ThinkTagParser:
    """Turns tagged reasoning in `Text` deltas into `Thinking`. To have none of it, leave the stage out.

    Args:
        tags: the names between `<` and `>`. A block is closed by its own name only.
        starts_inside: the stream opens inside thinking, whether or not the opener is sent.

    Raises:
        ConfigError: `tags` is empty, or a name is, or holds white space, `<` or `>`, or begins with `/`.
    """

    def __init__(self, tags: Sequence[str] = ("think",), *, starts_inside: bool = False) -> None:
        states = _states(tuple(tags))
        self._state = states.inside if starts_inside else states.outside
        self._after = states.after
        self._held = ""
        self._native = False

    def feed(self, batch: Sequence[Delta]) -> list[Delta]:
        out: list[Delta] = []
        for delta in batch:
            if not isinstance(delta, Text):
                self._pass(delta, out)
            elif self._native or self._is_plain(delta.text):
                out.append(delta)
            else:
                self._read(self._held + delta.text, out)
        return out

    def close(self) -> list[Delta]:
        out: list[Delta] = []
        self._release(out)
        return out

    def _pass(self, delta: Delta, out: list[Delta]) -> None:
        if not isinstance(delta, Usage | ModelName | Anomaly | ProviderEvent):
            self._release(out)
        if isinstance(delta, Thinking) and delta.text:
            self._native = True
        out.append(delta)

    def _is_plain(self, text: str) -> bool:
        return self._state.kind is Text and not self._held and "<" not in text

    def _read(self, text: str, out: list[Delta]) -> None:
        start = 0
        while match := self._state.find_tag(text, start):
            self._say(text[start : match.start()], out)
            after = self._after[match.group()]
            if self._state.kind is after.kind is Text:
                out.append(Anomaly(Oddity.ORPHAN_THINK_TAG))
            self._state = after
            start = match.end()
        end = self._state.tag_begins_at(text, start)
        self._say(text[start:end], out)
        self._held = text[end:]

    def _release(self, out: list[Delta]) -> None:
        self._say(self._held, out)
        self._held = ""

    def _say(self, text: str, out: list[Delta]) -> None:
        if text:
            out.append(self._state.kind(text))


def split_think_blocks(text: str, tags: Sequence[str] = ("think",)) -> tuple[str, str | None]:
    """A whole answer, taken apart.

    Args:
        text: the answer, reasoning and all.
        tags: as for `ThinkTagParser`.

    Returns:
        The answer without its blocks, and what the blocks hold, one after another, or `None` where that is nothing.
        Every character that is not part of a tag is in one of the two. If a closer is the first tag, all before it is
        thinking.

    Raises:
        ConfigError: as for `ThinkTagParser`.

    >>> split_think_blocks("<think>2+2</think>It is 4.")
    ('It is 4.', '2+2')
    >>> split_think_blocks("2+2</think>It is 4.")
    ('It is 4.', '2+2')
    """
    _check(tags)
    first = re.search("</?(?:" + "|".join(map(re.escape, tags)) + ")>", text)
    parser = ThinkTagParser(tags, starts_inside=first is not None and first.group().startswith("</"))
    deltas = [*parser.feed([Text(text)]), *parser.close()]
    content = "".join(delta.text for delta in deltas if isinstance(delta, Text))
    thinking = "".join(delta.text for delta in deltas if isinstance(delta, Thinking))
    return content, thinking or None


def _check(tags: Sequence[str]) -> None:
    if not tags:
        raise ConfigError("think tags: at least one name is needed; to read none, leave the stage out")
    for tag in tags:
        if not re.fullmatch(r"[^<>/\s][^<>\s]*", tag):
            raise ConfigError(f"think tags: {tag!r} can't be the name of a tag")
