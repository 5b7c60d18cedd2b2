"""Requests that were recorded with their answers: what other programs sent, said as a `Request`, is sent again.

A test reads a recorded body into a request, has it made into a body, and compares the two in the form that
`normalised` gives them, which says what counts as the same. What a request has no field for may go into `extra`; which
fields those are is a table of each wire format.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import recorded_requests_anthropic
import recorded_requests_gemini
import recorded_requests_openai_responses

from gestura.config import ProviderSettings
from gestura.providers import BUILTIN_PROVIDERS

COUNTS = {"anthropic": 34, "gemini": 34, "openai_responses": 40}
"""How many recordings come with their request."""


def recorded_body(recording: Any) -> dict[str, Any]:
    return recording.manifest.get("request") or pytest.skip("recorded without its request")


def sent(wire: str, request: Any, model: str) -> dict[str, Any]:
    provider = BUILTIN_PROVIDERS[wire](ProviderSettings(kind=wire, model=model or "any"))
    return json.loads(provider.ask(request).body)


def assert_extra_is_needed(importer: Any, extra: dict[str, Any]) -> None:
    assert set() == set(extra) - importer.EXTRA_FIELDS - set(importer.EXTRA_IF)


@pytest.mark.parametrize("wire", COUNTS)
def test_there_are_requests_to_try(wire, recordings):
    """None is missing from the tests below."""
    assert COUNTS[wire] <= sum(bool(each.manifest.get("request")) for each in recordings(wire))


@pytest.mark.recordings("anthropic")
def test_a_recorded_request_to_anthropic_is_sent_again(recording):
    """A `Request` can say it, and the body means the same."""
    body = recorded_body(recording)
    request, settings = recorded_requests_anthropic.request_of(body)

    assert_extra_is_needed(recorded_requests_anthropic, request.extra)
    again = sent("anthropic", request, settings.model)
    assert recorded_requests_anthropic.normalised(body) == recorded_requests_anthropic.normalised(again)
    assert again["model"] == body.get("model", "any")


@pytest.mark.recordings("gemini")
def test_a_recorded_request_to_gemini_is_sent_again(recording):
    """A `Request` can say it, and the body means the same."""
    body = recorded_body(recording)
    model = re.search(r"/models/([^:]+):", recording.manifest["url_path"])[1]
    request = recorded_requests_gemini.request_of(body)

    assert_extra_is_needed(recorded_requests_gemini, request.extra)
    ours, theirs = (
        recorded_requests_gemini.without_ids(recorded_requests_gemini.normalised(each))
        for each in (sent("gemini", request, model), body)
    )
    assert theirs == ours


@pytest.mark.recordings("openai_responses")
def test_a_recorded_request_over_responses_is_sent_again(recording):
    """A `Request` can say it, and the body means the same. To ask for sealed reasoning is our addition."""
    body = recorded_body(recording)
    request = recorded_requests_openai_responses.request_of(body)

    assert_extra_is_needed(recorded_requests_openai_responses, request.extra)
    again = sent("openai_responses", request, body["model"])
    if "include" not in body:
        again.pop("include", None)
    theirs, ours = map(recorded_requests_openai_responses.normalised, (body, again))
    assert theirs == ours
