"""A provider's failure in its own words, told as a `Fault`.

Errors come as an HTTP status with a JSON body, or as an object inside a stream that began well. Their shapes differ
less than their meanings, so one reader serves all providers: it takes the message, the code and the type where they are
found, and the table below decides what sort of failure they mean. The body's code goes before the status (a 429 may
mean "try again soon" or "your credit is used up"), and wording is asked last.
"""

from __future__ import annotations

import email.utils
import http
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from gestura.errors import ErrorKind, Fault

__all__ = ["fault_in_stream", "fault_of_response", "retry_after_seconds"]

_QUOTA: Final = re.compile(
    r"insufficient_quota|credit_balance|spend_limit|usage_limit_exceeded|billing|quota_exceeded|payment_required"
)
_RATE_LIMIT: Final = re.compile(
    r"rate_?limit|too_many_requests|resource_exhausted|rate limit|too many requests|per min"
)
_OVERLOADED: Final = re.compile(r"overloaded|unavailable|capacity")
_OVERFLOW_CODE: Final = re.compile(r"context_?length_?exceeded|exceed_context_size|context_window")
_OVERFLOW_WORDS: Final = re.compile(
    r"context_?length_?exceeded|context length|context window|maximum context|prompt is too long"
    r"|tokens?\b.*\bexceed|exceed.*\btokens?\b|tokens?\b.*\blimit\b.*\b(?:prompt|input|context)"
    r"|(?:prompt|input|context)\b.*\btokens?\b.*\blimit"
)
_BY_STATUS: Final = {
    401: ErrorKind.AUTHENTICATION,
    402: ErrorKind.QUOTA,
    403: ErrorKind.AUTHENTICATION,
    429: ErrorKind.RATE_LIMITED,
    503: ErrorKind.OVERLOADED,
    529: ErrorKind.OVERLOADED,
}
_BY_TYPE: Final = {
    "authentication_error": ErrorKind.AUTHENTICATION,
    "permission_error": ErrorKind.AUTHENTICATION,
    "invalid_request_error": ErrorKind.BAD_REQUEST,
    "not_found_error": ErrorKind.BAD_REQUEST,
    "request_too_large": ErrorKind.BAD_REQUEST,
}


def classify(*, status: int | None, code: str, message: str) -> ErrorKind:
    """What sort of failure a provider tells of.

    Args:
        status: the HTTP status, or a number like one inside the stream; `None` where there is none.
        code: the provider's codes and types, whatever it has of them, joined by blanks.
        message: its words.
    """
    code, message = code.lower(), message.lower()
    if _QUOTA.search(code):
        return ErrorKind.QUOTA
    if _OVERFLOW_CODE.search(code):
        return ErrorKind.CONTEXT_OVERFLOW
    if status == http.HTTPStatus.TOO_MANY_REQUESTS or _RATE_LIMIT.search(code):
        return ErrorKind.RATE_LIMITED
    if _OVERLOADED.search(code):
        return ErrorKind.OVERLOADED
    # Only a refused request can be too long; and a rate limit that speaks of tokens is a rate limit.
    if status in (None, 400, 413, 422, 500) and not _RATE_LIMIT.search(message) and _OVERFLOW_WORDS.search(message):
        return ErrorKind.CONTEXT_OVERFLOW
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    for word in code.split():
        if word in _BY_TYPE:
            return _BY_TYPE[word]
    if status is not None and 400 <= status < 500:  # RFC 9110, section 15.5
        return ErrorKind.BAD_REQUEST
    if status is None and _RATE_LIMIT.search(message):
        return ErrorKind.RATE_LIMITED
    return ErrorKind.SERVER


def fault_of_response(endpoint: str, status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Fault:
    """What an HTTP response other than a stream tells.

    Args:
        endpoint: provider and path for the message, such as `OpenAI /v1/chat/completions`.
        status: the HTTP status.
        headers: the response headers, case-insensitive.
        body: the beginning of the body.
        now: the current time, for a `Retry-After` that is a date.
    """
    error = _error_object(body)
    code, message = _code(error), _message(error)
    if not message:
        message = _plain_text(body, headers.get("Content-Type", ""))
    should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())
    return Fault(
        kind=classify(status=status, code=code, message=message),
        message=f"{endpoint} HTTP {status}: {message or _phrase(status)}",
        status=status,
        code=code.partition(" ")[0] or None,
        request_id=headers.get("x-request-id") or headers.get("request-id") or None,
        retry_after=retry_after_seconds(headers, now),
        should_retry=should_retry,
    )


def fault_in_stream(error: Any) -> Fault:
    """What an error object inside a stream tells: `{"message": …, "code": …}` in any dialect, or a plain string."""
    code, message = _code(error), _message(error)
    status = _status(error)
    return Fault(
        kind=classify(status=status, code=code, message=message),
        message=message or f"the provider reported an error without a message ({code or 'no code'})",
        status=status,
        code=code.partition(" ")[0] or None,
    )


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long the provider asks to wait, in seconds, or `None`.

    `retry-after-ms` goes before `Retry-After`, which is a number of seconds or an HTTP date (RFC 9110, section 10.2.3).
    What is not a positive, finite time is no hint.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    hint = headers.get("Retry-After", "")
    seconds = _number(hint)
    if seconds is not None or not hint:
        return seconds
    try:
        date = email.utils.parsedate_to_datetime(hint)
        wait = (date - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return wait if wait > 0 else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value > 0 and math.isfinite(value) else None


def _error_object(body: bytes) -> Any:
    """The error in a JSON body: under `error`, or the body itself; the first of them in a list (Gemini)."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    if isinstance(value, list) and value:
        value = value[0]
    return value.get("error", value) if isinstance(value, dict) else None


def _message(error: Any) -> str:
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    for name in ("message", "detail", "error", "msg", "reason"):
        found = error.get(name)
        if isinstance(found, str) and found.strip():
            return found.strip()
        if isinstance(found, dict):
            return _message(found)
    return ""


def _code(error: Any) -> str:
    """The provider's words for the sort of error: codes, types and statuses that are not numbers."""
    if not isinstance(error, dict):
        return ""
    found = (error.get(name) for name in ("code", "type", "status"))
    return " ".join(word for word in found if isinstance(word, str) and word and not word.isdigit())


def _status(error: Any) -> int | None:
    if not isinstance(error, dict):
        return None
    for name in ("status_code", "code", "status"):
        found = error.get(name)
        if isinstance(found, str) and found.isdigit():
            found = int(found)
        if isinstance(found, int) and 400 <= found < 600:  # RFC 9110, sections 15.5 and 15.6
            return found
    return None


def _plain_text(body: bytes, content_type: str) -> str:
    """The beginning of a body that is no JSON: a page of HTML is worth naming, not showing."""
    text = " ".join(body.decode("utf-8", "replace").split())
    if "html" in content_type or text[:1] == "<":
        return "the answer is an HTML page, not an API's answer"
    return text[:200]


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
