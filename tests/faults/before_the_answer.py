"""Rows of the fault table: what goes wrong before the first byte of an answer."""

from __future__ import annotations

import json
from typing import Any

from faults.row import (
    BREAK,
    DONE,
    OK,
    OVERFLOW,
    Again,
    Wire,
    error,
    hopeless,
    no_connection,
    no_head,
    refusal,
    row,
    tried_again,
)

from gestura.chunks import Status, Text
from gestura.config import Timeouts
from gestura.errors import ErrorKind
from gestura.transport.scripted import Break, Hang

HELLO = Text("Hello")
PLEASE_WAIT = "Please wait."
HTML = b"<!DOCTYPE html><html><body>Bad gateway</body></html>"


def told(message: str = "no", **fields: Any) -> bytes:
    """The body of a refusal, as most providers write it."""
    return json.dumps({"error": {"message": message, **fields}}).encode()


CONNECTING = [
    tried_again(
        "the host's name has no address",
        no_connection(Break("no address is known for the host nobody.invalid"), wire=Wire.NO_HOST),
        ErrorKind.CONNECTION,
    ),
    tried_again(
        "the connection is refused",
        no_connection(Break("no connection"), wire=Wire.NO_PORT),
        ErrorKind.CONNECTION,
    ),
    tried_again(
        "nothing answers the connection, or its TLS handshake",
        no_connection(Hang(), wire=Wire.SILENT_TLS),
        ErrorKind.TIMEOUT,
        "connect",
    ),
    hopeless(
        "TLS can't be negotiated, or the certificate is not valid",
        no_connection(Break("TLS", retryable=False), wire=Wire.NO_TLS),
        ErrorKind.CONNECTION,
    ),
    row(
        "the provider has no settings",
        OK,
        [Status("not configured")],
        error(ErrorKind.NOT_CONFIGURED),
        asks_next=True,
        requests=0,
        primary="absent",
    ),
    row(
        "its address is none",
        OK,
        [Status("base_url")],
        error(ErrorKind.NOT_CONFIGURED),
        asks_next=True,
        requests=0,
        settings={"base_url": "ftp://localhost"},
    ),
    row(
        "its key would cross the network in the clear",
        OK,
        [Status("base_url")],
        error(ErrorKind.NOT_CONFIGURED),
        asks_next=True,
        requests=0,
        settings={"base_url": "http://api.example", "api_key": "key"},
    ),
]

HEADERS = [
    row(
        "a connection from the pool was closed by the server just then",
        [OK, no_head(BREAK, wire=Wire.STALE), OK],
        [HELLO],
        DONE,
    ),
    tried_again("the response never begins", no_head(Hang()), ErrorKind.TIMEOUT, "first_content"),
    tried_again(
        "its head drips, and never ends",
        no_head(Hang(), wire=Wire.DRIPPING_HEAD),
        ErrorKind.TIMEOUT,
        "first_content",
    ),
    tried_again("the connection is reset", no_head(BREAK), ErrorKind.CONNECTION),
    tried_again("the connection is closed", no_head(BREAK, wire=Wire.NO_ANSWER), ErrorKind.CONNECTION),
    row("the connection is reset, once", [no_head(BREAK), OK], [Again(1.0), HELLO], DONE),
    tried_again("the response is no HTTP", no_head(BREAK, wire=Wire.NO_HTTP), ErrorKind.CONNECTION),
    tried_again("its head is too large", no_head(BREAK, wire=Wire.HUGE_HEAD), ErrorKind.CONNECTION),
    hopeless(
        "the body is compressed, unasked",
        no_head(Break(retryable=False), wire=Wire.COMPRESSED),
        ErrorKind.CONNECTION,
    ),
    hopeless("301, a redirect", refusal(301, Location="https://other.example/"), ErrorKind.BAD_REQUEST),
    hopeless("307, a redirect", refusal(307, Location="/v2"), ErrorKind.BAD_REQUEST),
    hopeless("308, a redirect", refusal(308, Location="https://other.example/"), ErrorKind.BAD_REQUEST),
    hopeless("400", refusal(400, told()), ErrorKind.BAD_REQUEST),
    row(
        "400 with `x-should-retry: true`",
        refusal(400, told(), x_should_retry="true"),
        [Again(1.0), Again(2.0)],
        error(ErrorKind.BAD_REQUEST),
        asks_next=True,
    ),
    hopeless("401", refusal(401, told(code="invalid_api_key")), ErrorKind.AUTHENTICATION, "invalid_api_key"),
    hopeless("401, and its body never ends", refusal(401, b'{"error"', Hang()), ErrorKind.AUTHENTICATION),
    hopeless("402", refusal(402, told()), ErrorKind.QUOTA),
    hopeless("403", refusal(403, told()), ErrorKind.AUTHENTICATION),
    hopeless("404, no such model", refusal(404, told(code="model_not_found")), ErrorKind.BAD_REQUEST),
    hopeless("404, and its body breaks off", refusal(404, b'{"error"', BREAK), ErrorKind.BAD_REQUEST),
    tried_again("408", refusal(408), ErrorKind.BAD_REQUEST),
    tried_again("409", refusal(409, told()), ErrorKind.BAD_REQUEST),
    row("409, once", [refusal(409, told()), OK], [Again(1.0), HELLO], DONE),
    hopeless("413", refusal(413, told("the body is too large")), ErrorKind.BAD_REQUEST),
    hopeless("422", refusal(422, told()), ErrorKind.BAD_REQUEST),
    row(
        "400 with the code `context_length_exceeded`", refusal(400, told(code="context_length_exceeded")), [], OVERFLOW
    ),
    row("400 that speaks of the context window", refusal(400, told("prompt is too long: 9 tokens > 8")), [], OVERFLOW),
    row(
        "413 that speaks of the context window", refusal(413, told("maximum context length is 8 tokens")), [], OVERFLOW
    ),
    row(
        "500 that speaks of the context window",
        refusal(500, told("the request exceeds the available context size")),
        [],
        OVERFLOW,
    ),
    row(
        "429",
        refusal(429, told(PLEASE_WAIT)),
        [Again(5.0), Again(5.0)],
        error(ErrorKind.RATE_LIMITED),
        asks_next=True,
    ),
    row("429 with `Retry-After: 3`", [refusal(429, Retry_After="3"), OK], [Again(3.0), HELLO], DONE),
    row("429 with `Retry-After: 7.0`", [refusal(429, Retry_After="7.0"), OK], [Again(7.0), HELLO], DONE),
    row("429 with `retry-after-ms: 2000`", [refusal(429, retry_after_ms="2000"), OK], [Again(2.0), HELLO], DONE),
    row("429 with `Retry-After: 120`", [refusal(429, Retry_After="120"), OK], [Again(120.0), HELLO], DONE),
    hopeless("429 with `Retry-After: 121`", refusal(429, Retry_After="121"), ErrorKind.RATE_LIMITED),
    hopeless(
        "429 with a date far away",
        refusal(429, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"),
        ErrorKind.RATE_LIMITED,
    ),
    *(
        row(f"429 with `Retry-After: {hint}`", [refusal(429, Retry_After=hint), OK], [Again(5.0), HELLO], DONE)
        for hint in ("0", "-3", "nan", "inf", "soon", "Wed, 21 Oct 2015 07:28:00 GMT")
    ),
    row(
        "429 with a hint beyond the stream's own deadline",
        refusal(429, Retry_After="60"),
        [],
        error(ErrorKind.RATE_LIMITED),
        asks_next=True,
        timeouts=Timeouts(total=20.0),
    ),
    hopeless("429 with `x-should-retry: false`", refusal(429, x_should_retry="false"), ErrorKind.RATE_LIMITED),
    hopeless(
        "429 with the code `insufficient_quota`",
        refusal(429, told(code="insufficient_quota")),
        ErrorKind.QUOTA,
        "insufficient_quota",
    ),
    hopeless(
        "429 with the code `project_spend_limit_exceeded`",
        refusal(429, told(code="project_spend_limit_exceeded"), Retry_After="1"),
        ErrorKind.QUOTA,
        "project_spend_limit_exceeded",
    ),
    hopeless(
        "400 that speaks of the credit balance",
        refusal(400, told("Your credit balance is too low to access the API.")),
        ErrorKind.QUOTA,
    ),
    tried_again("500", refusal(500, told()), ErrorKind.SERVER),
    row("500, once", [refusal(500, told()), OK], [Again(1.0), HELLO], DONE),
    tried_again("502 with a page of HTML", refusal(502, HTML, Content_Type="text/html"), ErrorKind.SERVER),
    tried_again("503", refusal(503), ErrorKind.OVERLOADED),
    row("503 with `Retry-After: 20`", [refusal(503, Retry_After="20"), OK], [Again(20.0), HELLO], DONE),
    hopeless("503 with `x-should-retry: false`", refusal(503, x_should_retry="false"), ErrorKind.OVERLOADED),
    tried_again("503, and its body never ends", refusal(503, b"", Hang()), ErrorKind.OVERLOADED),
    tried_again("504", refusal(504), ErrorKind.SERVER),
    tried_again("529", refusal(529, told(type="overloaded_error")), ErrorKind.OVERLOADED),
]
