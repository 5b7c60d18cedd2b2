"""A provider's failure in its own words, told as a `Fault`.

Errors come as an HTTP status with a JSON body, or as an object inside a stream that began well. Their shapes differ
less than their meanings, so one reader serves all providers: it takes the message, the code and the type where they are
found, and the tables below decide what sort of failure they mean. The body's code goes before the status (a 429 may
mean "try again soon" or "your credit is used up"), and wording is asked last.
"""

from __future__ import annotations

import http
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from gestura.errors import ErrorKind, Fault

__all__ = ["fault_in_stream", "fault_of_response", "retry_after_seconds"]

MESSAGE_CHARACTERS: Final = 2000
"""How much of a provider's words is kept. Enough for a person, and little enough for the patterns, which backtrack."""

_QUOTA_CODE: Final = re.compile(
    r"insufficient_(?:user_)?(?:quota|balance|credit|funds)|quota_exceeded|exceeded_current_quota|credit_balance"
    r"|spend_limit|usage_limit|billing|payment_required|arrearage|blocked_api_access"
    r"|per_?day"  # Gemini: a quota that the next minute does not refill
)
_QUOTA_WORDS: Final = re.compile(
    r"credit balance|insufficient (?:balance|credit|funds)|used all available credits|spend(?:ing)? limit"
    r"|api usage limit"
)
_RATE_LIMIT: Final = re.compile(
    r"rate[_ ]?limit|too[_ ]many[_ ]requests|resource_exhausted|throttl|\bper (?:sec|min|hour|day)"
)
_OVERLOADED_CODE: Final = re.compile(r"overloaded|unavailable|capacity")
_OVERLOADED_WORDS: Final = re.compile(r"overloaded|at capacity|temporarily unavailable")
_OVERFLOW_CODE: Final = re.compile(
    r"context_?length_?exceeded|exceed_context_size|context_window|prompt_tokens_exceeded|tokens_limit_reached"
)
_OVERFLOW_WORDS: Final = re.compile(
    r"context_?length_?exceeded|context (?:length|window|size|limit)|maximum context|maximum prompt length"
    r"|(?:prompt|input) is too long|prompt exceeds max"
)
_TOKEN_WORDS: Final = re.compile(r"\btokens?\b.*\b(?:exceed|limit)|\bexceed.*\btokens?\b")
_OUTPUT_TOKEN_WORDS: Final = re.compile(r"\bmax_(?:\w+_)?tokens|maximum tokens|(?:output|completion) tokens")
_KEY_WORDS: Final = re.compile(r"(?:incorrect|invalid) api key|api key not valid")

_REFUSAL_STATUSES: Final = (None, 400, 413, 422, 500)
"""Under which a request may have been refused for its length; 500 is llama.cpp's."""

_OPENAI_ENDPOINTS: Final = (
    "(gestura asks models at /v1/chat/completions, kind openai_chat, or at /v1/responses, kind openai_responses: "
    "try the other kind, or another model)"
)
"""OpenAI's own advice on a wrong endpoint is one that holds no conversations."""

_BY_STATUS: Final = {
    401: ErrorKind.AUTHENTICATION,
    402: ErrorKind.QUOTA,
    403: ErrorKind.AUTHENTICATION,
    499: ErrorKind.CONNECTION,  # "cancelled by the client", and not by us, who read it: by something on the way
    503: ErrorKind.OVERLOADED,
    529: ErrorKind.OVERLOADED,
}
_BY_TYPE: Final = {
    "authentication_error": ErrorKind.AUTHENTICATION,
    "permission_error": ErrorKind.AUTHENTICATION,
    "invalid_api_key": ErrorKind.AUTHENTICATION,
    "invalid_request_error": ErrorKind.BAD_REQUEST,
    # OpenAI Responses, where the response fails for what was asked.
    "invalid_prompt": ErrorKind.BAD_REQUEST,
    "bio_policy": ErrorKind.BAD_REQUEST,
    "misalignment_policy_violation": ErrorKind.BAD_REQUEST,
    "data_residency_mismatch": ErrorKind.BAD_REQUEST,
    "not_found_error": ErrorKind.BAD_REQUEST,
    "request_too_large": ErrorKind.BAD_REQUEST,
    "model_not_found": ErrorKind.BAD_REQUEST,
}


def classify(*, status: int | None, code: str, message: str, answering: bool = False) -> ErrorKind:
    """What sort of failure a provider tells of.

    Args:
        status: the HTTP status, or a number like one inside the stream; `None` where there is none.
        code: the provider's codes and types, whatever it has of them, joined by blanks.
        message: its words.
        answering: the model had begun to answer, so a limit of tokens that is spoken of is not the request's.
    """
    code, message = code.lower(), message.lower()
    if _QUOTA_CODE.search(code) or _QUOTA_WORDS.search(message):
        return ErrorKind.QUOTA
    if _OVERFLOW_CODE.search(code):
        return ErrorKind.CONTEXT_OVERFLOW
    if status == http.HTTPStatus.TOO_MANY_REQUESTS or _RATE_LIMIT.search(code):
        return ErrorKind.RATE_LIMITED
    if _OVERLOADED_CODE.search(code):
        return ErrorKind.OVERLOADED
    if status in _REFUSAL_STATUSES and _tells_overflow(message, answering):
        return ErrorKind.CONTEXT_OVERFLOW
    if status == http.HTTPStatus.BAD_REQUEST and _KEY_WORDS.search(message):  # xAI and Gemini
        return ErrorKind.AUTHENTICATION
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    for word in code.split():
        if word in _BY_TYPE:
            return _BY_TYPE[word]
    if status is not None:
        return ErrorKind.BAD_REQUEST if 300 <= status < 500 else ErrorKind.SERVER  # RFC 9110, section 15
    if _RATE_LIMIT.search(message):
        return ErrorKind.RATE_LIMITED
    return ErrorKind.OVERLOADED if _OVERLOADED_WORDS.search(message) else ErrorKind.SERVER


def _tells_overflow(message: str, answering: bool) -> bool:
    if _RATE_LIMIT.search(message):
        return False
    if _OVERFLOW_WORDS.search(message):
        return True
    return not answering and not _OUTPUT_TOKEN_WORDS.search(message) and bool(_TOKEN_WORDS.search(message))


def fault_of_response(endpoint: str, status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Fault:
    """What an HTTP response other than a stream tells.

    Args:
        endpoint: provider and path for the message, such as `OpenAI /v1/chat/completions`.
        status: the HTTP status. An error may come under 200, too.
        headers: the response headers, case-insensitive.
        body: the beginning of the body.
        now: the current time, for a `Retry-After` that is a date.
    """
    error = _error_object(body)
    codes, message = _codes(error), _message(error)
    if 200 <= status < 300 and not codes and not message:
        kind, message = ErrorKind.PROTOCOL, _page(body, headers) or "the answer is no event stream"
    else:
        told_status = _status(error) if 200 <= status < 300 else status
        words = " ".join([*codes, *_quotas(error)])
        kind = classify(status=told_status, code=words, message=message or _plain_text(body, headers))
    if 300 <= status < 400:
        message = _redirect(headers)
    message = message or _plain_text(body, headers) or _phrase(status)
    if status == http.HTTPStatus.NOT_FOUND and "this is not a chat model" in message.lower():
        message = f"{message} {_OPENAI_ENDPOINTS}"
    return Fault(
        kind=kind,
        message=f"{endpoint} HTTP {status}: {message}",
        status=status,
        code=codes[0] if codes else None,
        request_id=headers.get("x-request-id") or headers.get("request-id") or None,
        retry_after=retry_after_seconds(headers, now) or _retry_delay(error),
        should_retry={"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower()),
    )


def fault_in_stream(error: Any, *, answering: bool = False) -> Fault:
    """What an error object inside a stream tells: `{"message": …, "code": …}` in any dialect, or a plain string.

    Args:
        error: the object or the string.
        answering: the model had begun to answer.
    """
    codes, message, status = _codes(error), _message(error), _status(error)
    words = " ".join([*codes, *_quotas(error)])
    return Fault(
        kind=classify(status=status, code=words, message=message, answering=answering),
        message=message or f"the provider reported an error without a message ({codes[0] if codes else 'no code'})",
        status=status,
        code=codes[0] if codes else None,
        retry_after=_retry_delay(error),
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
    from email.utils import parsedate_to_datetime  # here, for hardly any provider answers with a date

    try:
        date = parsedate_to_datetime(hint)
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return None
    # Beside a plain string stands its code (xAI).
    return value if isinstance(value.get("error"), str) else value.get("error", value)


def _message(error: Any, depth: int = 4) -> str:
    """The provider's words, which may lie some objects and lists deep."""
    if isinstance(error, str):
        return error.strip()[:MESSAGE_CHARACTERS]
    if isinstance(error, list) and error:
        return _message(error[0], depth - 1) if depth else ""
    if not isinstance(error, dict) or not depth:
        return ""
    found = (_message(error.get(name), depth - 1) for name in ("message", "detail", "error", "msg", "reason"))
    message = next(filter(None, found), "")
    # OpenRouter's own words are always the same; what the provider behind it said stands beside them.
    match error.get("metadata"):
        case {"raw": str(raw)} if raw.strip():
            return f"{message}: {raw.strip()}"[:MESSAGE_CHARACTERS]
    return message


def _codes(error: Any) -> list[str]:
    """The provider's words for the sort of error: codes, types and statuses that are not numbers."""
    if not isinstance(error, dict):
        return []
    found = (error.get(name) for name in ("code", "type", "status"))
    return [word[:MESSAGE_CHARACTERS] for word in found if isinstance(word, str) and word and not word.isdigit()]


def _status(error: Any) -> int | None:
    """The number like an HTTP status that an error has, as a number or as a string."""
    if not isinstance(error, dict):
        return None
    found = (error.get(name) for name in ("status_code", "code", "status"))
    numbers = (str(number) for number in found if isinstance(number, int | str))
    return next((int(number) for number in numbers if re.fullmatch("[45][0-9][0-9]", number)), None)


def _details(error: Any) -> list[dict[str, Any]]:
    """Google's typed details of an error (google/rpc/error_details.proto)."""
    details = error.get("details") if isinstance(error, dict) else None
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _quotas(error: Any) -> list[str]:
    """The names of the quotas that were exceeded (`QuotaFailure`); they say per minute or per day."""
    lists = (detail.get("violations") for detail in _details(error))
    found = (each.get("quotaId") for many in lists if isinstance(many, list) for each in many if isinstance(each, dict))
    return [name[:MESSAGE_CHARACTERS] for name in found if isinstance(name, str)]


def _retry_delay(error: Any) -> float | None:
    """How long to wait, in seconds, as an error says it (`RetryInfo`): `"36s"`."""
    found = (detail.get("retryDelay") for detail in _details(error))
    delays = (_number(delay.removesuffix("s")) for delay in found if isinstance(delay, str))
    return next((delay for delay in delays if delay), None)


def _plain_text(body: bytes, headers: Mapping[str, str]) -> str:
    """The beginning of a body that is no JSON: a page of HTML is worth naming, not showing."""
    return _page(body, headers) or " ".join(body.decode("utf-8", "replace").split())[:200]


def _page(body: bytes, headers: Mapping[str, str]) -> str:
    is_html = "html" in headers.get("Content-Type", "").lower() or body.lstrip()[:1] == b"<"
    return "the answer is an HTML page, not an API's answer" if is_html else ""


def _redirect(headers: Mapping[str, str]) -> str:
    try:
        host = urlsplit(headers.get("Location", "")).hostname
    except ValueError:
        host = None
    return f"a redirect to {host or 'another address'}, which is not followed: base_url needs the final address"


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
