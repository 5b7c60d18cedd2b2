"""Failures in providers' own words are told as what they mean, and nothing a provider says makes the reader fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gestura.errors import ErrorKind
from gestura.providers.faults import (
    MESSAGE_CHARACTERS,
    classify,
    fault_in_stream,
    fault_of_response,
    retry_after_seconds,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
END_OF_TIME = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
ENDPOINT = "OpenAI /v1/chat/completions"

AUTHENTICATION = ErrorKind.AUTHENTICATION
BAD_REQUEST = ErrorKind.BAD_REQUEST
OVERFLOW = ErrorKind.CONTEXT_OVERFLOW
OVERLOADED = ErrorKind.OVERLOADED
PROTOCOL = ErrorKind.PROTOCOL
QUOTA = ErrorKind.QUOTA
RATE_LIMITED = ErrorKind.RATE_LIMITED
CONNECTION = ErrorKind.CONNECTION
SERVER = ErrorKind.SERVER


def refused(status: int, body: Any = b"", **headers: str):
    """The fault of a response; underscores in the names of headers stand for hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return fault_of_response(ENDPOINT, status, fields, content, NOW)


# What sort of failure it is.


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, BAD_REQUEST),
        (308, BAD_REQUEST),
        (400, BAD_REQUEST),
        (401, AUTHENTICATION),
        (402, QUOTA),
        (403, AUTHENTICATION),
        (404, BAD_REQUEST),
        (413, BAD_REQUEST),
        (422, BAD_REQUEST),
        (429, RATE_LIMITED),
        (500, SERVER),
        (502, SERVER),
        (503, OVERLOADED),
        (504, SERVER),
        (529, OVERLOADED),
        (599, SERVER),
        (None, SERVER),
    ],
)
def test_without_words_the_status_decides(status, kind):
    """A bare status means what RFC 9110 and the providers say it does."""
    assert kind == classify(status=status, code="", message="")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        # Money, whatever the status.
        (429, "insufficient_quota", QUOTA),
        (400, "insufficient_quota", QUOTA),
        (None, "insufficient_quota", QUOTA),
        (429, "credit_balance_exhausted insufficient_quota", QUOTA),
        (429, "organization_spend_limit_exceeded", QUOTA),
        (429, "project_spend_limit_exceeded", QUOTA),
        (429, "organization_usage_limit_exceeded", QUOTA),
        (429, "billing_hard_limit_reached", QUOTA),
        (402, "billing_error", QUOTA),
        (429, "quota_exceeded", QUOTA),
        (429, "exceeded_current_quota_error", QUOTA),  # Moonshot
        (400, "Arrearage", QUOTA),  # DashScope
        (400, "blocked_api_access", QUOTA),  # Groq, at a spend limit
        # Too much at a time.
        (429, "rate_limit_exceeded tokens", RATE_LIMITED),
        (413, "rate_limit_exceeded tokens", RATE_LIMITED),  # Groq, for a request above the limit per minute
        (None, "rate_limit_error", RATE_LIMITED),
        (429, "RESOURCE_EXHAUSTED", RATE_LIMITED),
        (400, "Throttling.RateQuota", RATE_LIMITED),
        (None, "too_many_requests", RATE_LIMITED),
        # No room.
        (None, "overloaded_error", OVERLOADED),
        (500, "UNAVAILABLE", OVERLOADED),
        (None, "The service is currently at capacity", OVERLOADED),
        # Too long.
        (400, "context_length_exceeded invalid_request_error", OVERFLOW),
        (None, "context_length_exceeded", OVERFLOW),
        (400, "contextLengthExceeded", OVERFLOW),
        (400, "exceed_context_size_error", OVERFLOW),  # llama.cpp
        (400, "model_max_prompt_tokens_exceeded", OVERFLOW),  # GitHub Copilot
        (413, "tokens_limit_reached", OVERFLOW),  # GitHub Models
        # The rest, where there is no status.
        (None, "authentication_error", AUTHENTICATION),
        (None, "permission_error", AUTHENTICATION),
        (None, "invalid_api_key invalid_request_error", AUTHENTICATION),
        (None, "invalid_request_error", BAD_REQUEST),
        (None, "not_found_error", BAD_REQUEST),
        (None, "invalid_prompt", BAD_REQUEST),
        (None, "bio_policy", BAD_REQUEST),
        (None, "misalignment_policy_violation", BAD_REQUEST),
        (None, "data_residency_mismatch", BAD_REQUEST),
        (None, "api_error", SERVER),
        (None, "server_error", SERVER),
        (None, "some_error_of_next_year", SERVER),
    ],
)
def test_the_providers_code_goes_before_the_status(status, code, kind):
    """The code decides first: the same status may mean "try again soon" or "your credit is used up"."""
    assert kind == classify(status=status, code=code, message="")


OVERFLOWS = [
    (400, "This model's maximum context length is 4097 tokens. However, your messages resulted in 4200 tokens."),
    (400, "prompt is too long: 210000 tokens > 200000 maximum"),
    (400, "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length"),
    (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
    (400, "the request exceeds the available context size, try increasing it"),
    (500, "the request exceeds the available context size, try increasing it"),
    (400, "This model's maximum prompt length is 131072 but the request contains 140000 tokens."),
    (400, "Invalid request: Your request exceeded model token limit: 8192"),
    (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081"),
    (400, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"),
    (400, "prompt token count of 139654 exceeds the limit of 128000"),
    (400, "invalid params, context window exceeds limit"),
    (400, "Input is too long for requested model."),
    (400, "Prompt exceeds max length"),
    (422, "ContextLengthExceeded: the input has 9000 tokens"),
    (413, "The tokens of this request are over the limit"),
    (None, "the input length exceeds the context length"),
]
TOKEN_RATE_LIMITS = [
    "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 5000.",
    "This request would exceed your organization's rate limit of 50,000 input tokens per minute.",
    "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000, reduce your message size",
    "You exceeded your token limit: too many requests per day",
]


@pytest.mark.parametrize(("status", "message"), OVERFLOWS)
def test_an_overflow_is_recognised_by_its_words(status, message):
    """A request that is longer than the context window is an overflow, in every wording that providers have for it."""
    assert OVERFLOW == classify(status=status, code="invalid_request_error", message=message)


@pytest.mark.parametrize("message", TOKEN_RATE_LIMITS)
def test_a_rate_limit_that_speaks_of_tokens_is_no_overflow(message):
    """Tokens per minute are a rate, whatever status or place tells of them."""
    assert RATE_LIMITED == classify(status=429, code="", message=message)
    assert RATE_LIMITED == classify(status=None, code="", message=message)
    assert RATE_LIMITED == classify(status=413, code="rate_limit_exceeded", message=message)
    assert OVERFLOW != classify(status=400, code="", message=message)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "max_tokens is too large: 100000. This model supports at most 4096 completion tokens.", BAD_REQUEST),
        (400, "max_completion_tokens (100000) exceeds the limit of 8192 output tokens", BAD_REQUEST),
        (400, "The maximum tokens you requested exceeds the model limit of 4096.", BAD_REQUEST),
        (400, "Your credit balance is too low to access the API.", QUOTA),
        (400, "You have reached your specified API usage limits.", QUOTA),
        (429, "Your team has either used all available credits or reached its monthly spending limit.", QUOTA),
        (429, "Insufficient balance or no resource package. Please recharge.", QUOTA),
        (429, "You exceeded your current quota, please check your plan. Please retry in 34s.", RATE_LIMITED),
        (400, "API key not valid. Please pass a valid API key.", AUTHENTICATION),
        (400, "Incorrect API key provided: sk***. You can obtain an API key from the console.", AUTHENTICATION),
        (403, "Country, region, or territory not supported: the token limit is zero", AUTHENTICATION),
        (503, "The model's context length is unknown while it is loading", OVERLOADED),
        (None, "Overloaded", OVERLOADED),
        (None, "boom", SERVER),
    ],
)
def test_wording_is_asked_last(status, message, kind):
    """Where no code helps, the words do; a limit on the answer's length is no overflow of the request."""
    assert kind == classify(status=status, code="", message=message)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Token limit reached", BAD_REQUEST),
        ("the number of tokens exceeds what was asked for", BAD_REQUEST),
        ("This model's maximum context length is 4097 tokens.", OVERFLOW),
    ],
)
def test_a_limit_of_tokens_in_the_middle_of_an_answer_is_the_answers(message, kind):
    """Once a model is answering, the request did fit: only words that name the context speak of an overflow."""
    assert kind == classify(status=400, code="", message=message, answering=True)
    assert OVERFLOW == classify(status=400, code="", message=message)


# What is read of a response.


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (
            {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": "model_not_found"}},
            "no",
            "model_not_found",
        ),
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}, "no", "invalid_request_error"),
        ({"error": {"code": 404, "message": "no", "status": "NOT_FOUND"}}, "no", "NOT_FOUND"),
        ([{"error": {"code": 404, "message": "no", "status": "NOT_FOUND"}}], "no", "NOT_FOUND"),
        ({"code": "Some resource was not found", "error": "no"}, "no", "Some resource was not found"),
        ({"error": "model 'x' not found"}, "model 'x' not found", None),
        ({"object": "error", "message": "no", "type": "NotFoundError", "code": 404}, "no", "NotFoundError"),
        ({"detail": "Not Found"}, "Not Found", None),
        ({"detail": [{"type": "missing", "loc": ["body"], "msg": "Field required"}]}, "Field required", None),
        ({"message": {"detail": [{"msg": "Field required"}]}}, "Field required", None),
        ({"error": {"message": "  padded  ", "code": "429"}}, "padded", None),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": "upstream is down"}}},
            "Provider returned error: upstream is down",
            None,
        ),
        ({"error": {"message": "no", "metadata": {"raw": {"x": 1}}}}, "no", None),
        (b"404 page not found\n", "404 page not found", None),
        (b"\n a\n\n  b ", "a b", None),
        (b"", "Not Found", None),
        ({}, "{}", None),
        ({"error": None}, '{"error": null}', None),
        (b"<html><title>404</title></html>", "the answer is an HTML page, not an API's answer", None),
        (b'{"error": {"message": "\xff"}}', '{"error": {"message": "\ufffd"}}', None),
    ],
)  # fmt: skip
def test_the_providers_own_message_is_found(body, message, code):
    """Message and code are taken from wherever the body has them; without any, the body or the status speaks."""
    fault = refused(404, body)

    assert (f"{ENDPOINT} HTTP 404: {message}", code) == (fault.message, fault.code)
    assert (404, BAD_REQUEST) == (fault.status, fault.kind)


def test_a_status_without_a_phrase_has_a_reason_anyway():
    """A status that RFC 9110 does not know is told with its number."""
    assert f"{ENDPOINT} HTTP 599: no reason given" == refused(599).message


def test_an_html_page_is_known_by_its_content_type():
    """A page is named and not shown, whatever it begins with."""
    fault = refused(502, b"Bad gateway, your ray id is 1234", Content_Type="Text/HTML; charset=utf-8")

    assert f"{ENDPOINT} HTTP 502: the answer is an HTML page, not an API's answer" == fault.message


def test_a_long_message_is_cut():
    """However much a provider says, a message stays short enough to be shown."""
    for body in ({"error": "token " * 100_000}, {"error": {"metadata": {"raw": "x" * 100_000}}}, b"x" * 100_000):
        assert len(refused(400, body).message) <= len(ENDPOINT) + MESSAGE_CHARACTERS + 12
    assert MESSAGE_CHARACTERS == len(fault_in_stream("token " * 1_000_000).message)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}, OVERFLOW),
        (400, b"maximum context length is 4096 tokens", OVERFLOW),
        (400, {"error": {"message": "Provider returned error", "metadata": {"raw": "prompt is too long"}}}, OVERFLOW),
        (429, {"error": {"message": "Limit 30000 tokens per min", "code": "rate_limit_exceeded"}}, RATE_LIMITED),
        (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, QUOTA),
        (429, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"}}], RATE_LIMITED),
        (200, {"error": {"code": 429, "message": "slow down"}}, RATE_LIMITED),
        (200, {"error": {"code": "503", "message": "later"}}, OVERLOADED),
        (200, {"error": {"message": "maximum context length is 4096 tokens"}}, OVERFLOW),
        (200, {"error": {"message": "boom"}}, SERVER),
        (200, {"object": "chat.completion", "choices": []}, PROTOCOL),
        (200, b"<!doctype html>", PROTOCOL),
        (200, b"", PROTOCOL),
    ],
)
def test_a_body_decides_what_a_response_means(status, body, kind):
    """The body's code and words are heard, under a status of success as well, where a missing error is no stream."""
    fault = refused(status, body)

    assert (kind, status) == (fault.kind, fault.status)


def test_an_answer_that_is_no_stream_is_not_shown():
    """Under a status of success, a body that tells of no error is not put into a message: it may be an answer."""
    body = {"object": "chat.completion", "choices": [{"message": {"content": "my secret"}}]}

    assert f"{ENDPOINT} HTTP 200: the answer is no event stream" == refused(200, body).message


@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("https://api.example.com/v1?key=secret", "api.example.com"),
        ("/v2/chat", "another address"),
        ("http://[", "another address"),
        ("", "another address"),
    ],
)
def test_a_redirect_names_the_host_only(location, where):
    """A redirect, which is not followed, names where it leads without what its address may hold."""
    fault = refused(307, b"secret", Location=location)

    assert f"a redirect to {where}, which is not followed: base_url needs the final address" in fault.message
    assert (BAD_REQUEST, False) == (fault.kind, "secret" in fault.message)


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({"x_request_id": "req_1"}, "req_1"),
        ({"Request_Id": "req_2"}, "req_2"),
        ({"x_request_id": "", "request_id": "req_3"}, "req_3"),
        ({}, None),
    ],
)
def test_the_request_id_is_kept(headers, request_id):
    """The provider's name for the request, for its support, is in the fault."""
    assert request_id == refused(500, **headers).request_id


@pytest.mark.parametrize(("value", "told"), [("true", True), ("FALSE ", False), ("maybe", None), ("", None)])
def test_x_should_retry_is_heard(value, told):
    """What the provider says outright about a retry is in the fault; anything but true and false says nothing."""
    assert told is refused(500, x_should_retry=value).should_retry
    assert refused(500).should_retry is None


def test_the_hint_is_in_the_fault():
    """A response's hint on when to come back is in the fault."""
    assert refused(429, Retry_After="7").retry_after == 7


# When to come back.


def date(**later: float) -> str:
    return format_datetime(NOW + timedelta(**later), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "5"}, 5),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": " 5 "}, 5),
        ({"Retry-After": "86400"}, 86400),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "1e999"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": date(seconds=30)}, 30),
        ({"Retry-After": date(seconds=0)}, None),
        ({"Retry-After": date(hours=-1)}, None),
        ({"Retry-After": "Sunday, 22-Nov-26 12:00:09 GMT"}, 9),  # the obsolete forms of RFC 9110, section 5.6.7
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, (END_OF_TIME - NOW).total_seconds()),
        ({"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
        ({"Retry-After": "Fri, 45 Foo 2026 99:99:99 GMT"}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"retry-after-ms": "0", "Retry-After": "9"}, 9),
        ({"retry-after-ms": "nan", "Retry-After": "9"}, 9),
        ({"retry-after-ms": "soon", "Retry-After": date(seconds=30)}, 30),
    ],
)
def test_a_hint_is_a_positive_finite_time(headers, seconds):
    """Milliseconds go before seconds or a date; what is not a positive, finite time from now is no hint."""
    assert seconds == retry_after_seconds(CIMultiDict(headers), NOW)


@given(st.text() | st.floats().map(str) | st.datetimes().map(format_datetime))
@example("Sun, 22 Nov 2026 12:00:09 -0000")
def test_no_hint_makes_the_reader_fail(hint):
    """Whatever stands in the header, the wait is a time from now on or there is none."""
    seconds = retry_after_seconds(CIMultiDict({"Retry-After": hint, "retry-after-ms": hint}), NOW)

    assert seconds is None or 0 <= seconds < float("inf")


# What is read inside a stream.


@pytest.mark.parametrize(
    ("error", "kind", "message", "status", "code"),
    [
        ({"message": "boom"}, SERVER, "boom", None, None),
        ("boom", SERVER, "boom", None, None),
        ({"message": "no", "type": "invalid_request_error", "code": "tool_use_failed", "status_code": 400},
         BAD_REQUEST, "no", 400, "tool_use_failed"),
        ({"code": 502, "message": "Bad gateway"}, SERVER, "Bad gateway", 502, None),
        ({"code": "429", "message": "later"}, RATE_LIMITED, "later", 429, None),
        ({"type": "overloaded_error", "message": "Overloaded"}, OVERLOADED, "Overloaded", None, "overloaded_error"),
        ({"code": 1302, "message": "too many requests"}, RATE_LIMITED, "too many requests", None, None),
        ({"code": True, "message": "boom"}, SERVER, "boom", None, None),
        ({"code": "²", "message": "boom"}, SERVER, "boom", None, None),
        ({"type": "boom"}, SERVER, "the provider reported an error without a message (boom)", None, "boom"),
        ({}, SERVER, "the provider reported an error without a message (no code)", None, None),
        (None, SERVER, "the provider reported an error without a message (no code)", None, None),
    ],
)  # fmt: skip
def test_an_error_inside_a_stream_is_read_like_a_response(error, kind, message, status, code):
    """An error object has its number taken for a status where it is like one, and always a message."""
    fault = fault_in_stream(error)

    assert (kind, message, status, code) == (fault.kind, fault.message, fault.status, fault.code)


def exhausted(*quotas: str, delay: Any = "36.5s") -> dict[str, Any]:
    """Gemini's error for quotas that are used up."""
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": q} for q in quotas]}
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    return {"code": 429, "message": "Quota.", "status": "RESOURCE_EXHAUSTED", "details": [failure, retry]}


@pytest.mark.parametrize(
    ("error", "kind", "retry_after"),
    [
        (exhausted("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), RATE_LIMITED, 36.5),
        (exhausted("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), QUOTA, 36.5),
        (exhausted("Minute", "TokensPerDay"), QUOTA, 36.5),
        (exhausted(delay="0s"), RATE_LIMITED, None),
        (exhausted(delay=5), RATE_LIMITED, None),
        ({"code": 429, "details": {"retryDelay": "5s"}}, RATE_LIMITED, None),
        ({"code": 429, "details": ["5s", {"violations": [None]}, {"violations": 5}]}, RATE_LIMITED, None),
        ({"code": 499, "message": "The operation was cancelled.", "status": "CANCELLED"}, CONNECTION, None),
    ],
)
def test_google_says_more_in_its_details(error, kind, retry_after):
    """Which quota is used up decides whether waiting helps, and the wait itself stands in the error; HTTP or stream."""
    faults = (fault_in_stream(error), refused(error["code"], {"error": error}))

    assert [(kind, retry_after)] * 2 == [(fault.kind, fault.retry_after) for fault in faults]


def test_a_hint_in_the_headers_goes_before_one_in_the_body():
    """The header `Retry-After` is every provider's; the body's hint stands in where it is absent."""
    body = {"error": exhausted()}

    assert [7.0, 36.5] == [refused(429, body, Retry_After="7").retry_after, refused(429, body).retry_after]


# Anything at all.

NAMES = st.sampled_from(["error", "message", "detail", "msg", "code", "type", "status", "metadata", "raw"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(["²", "429"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)


@given(JSON)
@example({"code": "9" * 5000})
@example({"code": 10**4000})
def test_any_error_object_becomes_a_fault(error):
    """Whatever an error is made of, it is a fault with a message."""
    assert fault_in_stream(error).message


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), st.integers(200, 599))
@example(b'{"error":{"message":"\xff"}}', 500)
@example(b'{"error":' * 50_000, 500)
@example(b'{"error":' * 900 + b"1" + b"}" * 900, 500)
def test_any_body_becomes_a_fault(body, status):
    """Whatever bytes stand in a body, they are a fault that names the endpoint and the status."""
    assert f"{ENDPOINT} HTTP {status}: " == refused(status, body).message[: len(ENDPOINT) + 11]
