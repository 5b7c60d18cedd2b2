"""What the id of an OpenAI model tells: which API it speaks, and whether it can hold a conversation at all.

Rules on names alone, for there is nothing else to ask before the request. Names that OpenAI never gave pass: behind
the same API stand deployments and servers with names of their own.
"""

from __future__ import annotations

from typing import Final

__all__ = ["can_converse", "speaks_responses"]

_CONVERSING: Final = ("gpt-", "o1-", "o3-", "o4-", "o5-", "chatgpt-4o-", "codex-")
_FINE_TUNED: Final = ("ft:gpt-", "ft:o1-", "ft:o3-", "ft:o4-", "ft:o5-", "ft:codex-")

_COMPLETING: Final = ("ada", "babbage", "curie", "davinci", "babbage-002", "davinci-002", "gpt-3.5-turbo-instruct")
"""Models that complete a text. Fine-tuned, they are called `ft:davinci-002:…`, and in older days `davinci:ft-…`."""

_OTHER_FAMILIES: Final = ("text-", "code-", "gpt-image-")
_OTHER_USES: Final = ("instruct", "transcribe", "audio", "realtime", "tts", "moderation", "embedding")


def speaks_responses(model: str) -> bool:
    """Whether OpenAI wants this model asked over Responses; the others are asked over Chat Completions.

    >>> speaks_responses("gpt-5-mini"), speaks_responses("gpt-4o")
    (True, False)
    """
    name = _normal(model)
    if name.startswith("codex-mini-"):
        return False
    return name.startswith(("gpt-5", "o5-", "codex-")) or "-codex" in name


def can_converse(model: str) -> bool:
    """Whether this model may hold a conversation: false only for names of OpenAI's that are known not to.

    >>> can_converse("gpt-4o"), can_converse("gpt-4o-transcribe"), can_converse("my-deployment")
    (True, False, True)
    """
    name = _normal(model)
    if name.startswith(_OTHER_FAMILIES) or name in _COMPLETING:
        return False
    if any(name.startswith((f"ft:{base}:", f"{base}:ft-")) for base in _COMPLETING):
        return False
    return not (name.startswith(_CONVERSING + _FINE_TUNED) and any(use in name for use in _OTHER_USES))


def _normal(model: str) -> str:
    return model.strip().lower()
