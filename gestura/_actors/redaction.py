"""Secrets kept out of what is told: the words of failures, and the log lines of bugs.

Nothing of gestura's writes a key anywhere. But providers repeat keys ("Incorrect API key provided: …"), and a transport
or a stage of the user's may put a request into its exception. So what comes from outside is searched for the secrets of
the settings, the key and the words of the headers, before it is told.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Iterator

import attrs

from gestura.config import ProviderSettings
from gestura.errors import Fault
from gestura.recording import HIDDEN, SHORTEST_SECRET

__all__ = ["log_bug", "redact", "redact_fault", "secrets_of"]


def redact(words: str, settings: Iterable[ProviderSettings]) -> str:
    """`words`, without the secrets of any of `settings`."""
    for secret in sorted(set(secrets_of(settings)), key=len, reverse=True):
        words = words.replace(secret, HIDDEN)
    return words


def redact_fault(fault: Fault, settings: ProviderSettings | None) -> Fault:
    """`fault`, without the secrets of its provider's settings."""
    if settings is None:
        return fault
    return attrs.evolve(
        fault,
        message=redact(fault.message, [settings]),
        code=fault.code and redact(fault.code, [settings]),
        request_id=fault.request_id and redact(fault.request_id, [settings]),
    )


def log_bug(log: logging.Logger, words: str, error: BaseException, settings: Iterable[ProviderSettings]) -> None:
    """Log a bug with its traceback: as an exception if it holds no secret, else as text without it."""
    written = "".join(traceback.format_exception(error))
    told = redact(written, settings)
    if told == written:
        log.error("%s", words, exc_info=error)
    else:
        log.error("%s\n%s", words, told)


def secrets_of(settings: Iterable[ProviderSettings]) -> Iterator[str]:
    """The keys and the words of headers that must not be told."""
    for each in settings:
        if each.api_key:
            yield each.api_key
        for value in each.headers.values():
            yield from (word for word in (value, *value.split()) if len(word) >= SHORTEST_SECRET)
