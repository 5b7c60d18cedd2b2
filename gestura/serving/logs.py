"""What the service logs of errors: their kind and the place, never their words, which may hold a key or a prompt."""

from __future__ import annotations

import logging
import traceback
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError

__all__ = ["HTTP_LOG", "SERVICE_LOG", "place_of"]

SERVICE_LOG: Final = logging.getLogger("gestura.serving")

HTTP_LOG: Final = logging.getLogger("gestura.serving.http")
"""For aiohttp's server. It would log requests that are no HTTP, with their bytes."""


def place_of(error: BaseException) -> str:
    """What kind of error it is, and where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}" if frames else type(error).__name__


def _without_words(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        return False  # whoever sent that is told so
    if error is not None:
        record.exc_info, record.msg, record.args = None, f"{record.getMessage()}: {place_of(error)}", None
    return True


HTTP_LOG.addFilter(_without_words)
