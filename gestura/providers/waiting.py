"""What is said while a provider is silent: for one whose models take minutes to load, silence is no failure.

A provider that has words for it has a property `waiting_words` beside the members of `Provider`; most have none.
"""

from __future__ import annotations

import attrs

__all__ = ["WaitingWords", "waiting_words_of"]


@attrs.frozen(kw_only=True)
class WaitingWords:
    """Messages of the `Status` chunks that fill a silence.

    Args:
        connected: told once, when the connection stands.
        loading: told at intervals until the response begins.
        working: told at intervals in which nothing of the response arrives.
    """

    connected: str
    loading: str
    working: str


def waiting_words_of(provider: object) -> WaitingWords | None:
    """The words that a provider has for its silence, if it has any."""
    words: WaitingWords | None = getattr(provider, "waiting_words", None)
    return words
