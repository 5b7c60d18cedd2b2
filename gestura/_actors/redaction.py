"""Secrets kept out of what is told: the words of failures, the provider's own events, and the log lines of bugs.

Nothing of gestura's writes a key anywhere. But providers repeat keys ("Incorrect API key provided: …"), and a transport
or a stage of the user's may put a request into its exception. So what comes from outside is searched for the secrets of
the settings, the key and the words of the headers, before it is told.
"""

from __future__ import annotations

import base64
import logging
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final
from urllib.parse import quote

import attrs

from gestura.config import ProviderSettings
from gestura.errors import Fault
from gestura.secrecy import HIDDEN, SHORTEST_SECRET

__all__ = ["log_bug", "redact", "redact_fault", "redactor_of_events", "secrets_of"]

_CREDENTIAL: Final = re.compile("auth|key|token|secret|password|cookie", re.IGNORECASE)


def redact(words: str, settings: Iterable[ProviderSettings]) -> str:
    """`words`, without the secrets of any of `settings`."""
    return _redactor(secrets_of(settings))(words)


def redactor_of_events(settings: ProviderSettings) -> Callable[[str], str]:
    """What takes the key out of a provider's events. Words of other headers stand in many an innocent event."""
    headers = {name: value for name, value in settings.headers.items() if _CREDENTIAL.search(name)}
    return _redactor(secrets_of([attrs.evolve(settings, headers=headers)]))


def redact_fault(fault: Fault, settings: ProviderSettings | None) -> Fault:
    """`fault`, without the secrets of its provider's settings."""
    if settings is None:
        return fault
    hidden = _redactor(secrets_of([settings]))
    return attrs.evolve(
        fault,
        message=hidden(fault.message),
        code=fault.code and hidden(fault.code),
        request_id=fault.request_id and hidden(fault.request_id),
    )


def log_bug(log: logging.Logger, words: str, error: BaseException, settings: Iterable[ProviderSettings]) -> None:
    """Log a bug with its traceback: as an exception if it holds no secret, else as text without it."""
    written = "".join(traceback.format_exception(error))
    told = redact(written, settings)
    if told == written:
        log.error("%s", words, exc_info=error)
    else:
        log.error("%s\n%s", words, told)


def _redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    # The longest first, for one may begin with another; in any case, for the name of a host comes in small letters.
    patterns = map(re.escape, sorted(set(secrets), key=len, reverse=True))
    pattern = re.compile("|".join(patterns) or "(?!)", re.IGNORECASE)
    return partial(pattern.sub, HIDDEN)


def secrets_of(settings: Iterable[ProviderSettings]) -> Iterator[str]:
    """The keys and the words of headers that must not be told, as they are, as in a URL, and in base64."""
    for each in settings:
        words = (word for value in each.headers.values() for word in (value, *value.split()))
        for secret in filter(None, (each.api_key, *(word for word in words if len(word) >= SHORTEST_SECRET))):
            yield from (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("="))
