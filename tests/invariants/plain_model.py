"""What an answer means, by a model too plain to be wrong: it sees the whole answer at once, and holds nothing back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from strategies import CallPart, Failed, Finished, Meaning, Over, Reasoned, Said, Told

from gestura.chunks import Text, Thinking
from gestura.testing import merged

NO_TAG_SPANS = "\udfff"
"""Stands in the text where something else was told, such as a failure or a call; no model's text has it."""


def shown(meanings: Sequence[Meaning]) -> list[Text | Thinking]:
    """Text and thinking, in order. Once reasoning had a field of its own, tags are text."""
    before = next((place for place, each in enumerate(meanings) if isinstance(each, Reasoned)), len(meanings))
    tagged = "".join(
        each.text if isinstance(each, Said) else "" if isinstance(each, Told) else NO_TAG_SPANS
        for each in meanings[:before]
    )
    after = [
        Text(each.text) if isinstance(each, Said) else Thinking(each.text)
        for each in meanings[before:]
        if isinstance(each, Said | Reasoned)
    ]
    whole = [type(piece)(piece.text.replace(NO_TAG_SPANS, "")) for piece in _told_apart(tagged)]
    return merged([*(piece for piece in whole if piece.text), *after])


def _told_apart(text: str) -> Iterator[Text | Thinking]:
    while text:
        before, _, text = text.partition("<think>")
        if before:
            yield Text(before)
        inside, _, text = text.partition("</think>")
        if inside:
            yield Thinking(inside)


def arguments(meanings: Sequence[Meaning]) -> dict[str, str]:
    """The arguments of each call, as far as they came, by the call's name."""
    calls: dict[str, str] = {}
    for part in meanings:
        if isinstance(part, CallPart):
            name = f"tool_{part.index}"
            calls[name] = calls.get(name, "") + part.arguments
    return calls


def broken_off(meanings: Sequence[Meaning]) -> bool:
    """Whether the last call may lack a part: nothing said that it was the last."""
    words = [each.word for each in meanings if isinstance(each, Finished)]
    failed = any(isinstance(each, Failed) for each in meanings)
    return failed or words in (["length"], ["content_filter"]) or not (words or Over() in meanings)


def token_counts(meanings: Sequence[Meaning]) -> tuple[int, int] | None:
    told = [(each.input_tokens, each.output_tokens) for each in meanings if isinstance(each, Told)]
    return told[-1] if told else None
