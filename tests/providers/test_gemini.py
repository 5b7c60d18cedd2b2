"""Gemini: what is asked, and what is made of every shape that comes back."""

from __future__ import annotations

import json
import sys
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gestura.chunks import FinishReason, Refusal, Signature, Text, Thinking
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ConfigError, ErrorKind, Fault, LimitExceeded, ProtocolError
from gestura.limits import Limits
from gestura.messages import assistant, user
from gestura.providers._gemini_framing import GeminiFramer
from gestura.providers.gemini import FINISH_REASONS, Gemini, GeminiDecoder, request_body
from gestura.request_options import Sampling
from gestura.simulator import Comment, Scenario, Sending, StreamError, ToolCall
from gestura.simulator.voices.gemini import GeminiVoice
from gestura.stages import fuse
from gestura.stages.deltas import (
    Anomaly,
    Finish,
    Frame,
    ModelName,
    Oddity,
    Terminal,
    ToolCallFragment,
    Usage,
)
from gestura.stages.tool_calls import ToolCallAssembler
from gestura.testing import check_stage, merged, run_inline
from gestura.usage import TokenUsage

KEY = "canary-0123456789"
HOST = "https://generativelanguage.googleapis.com"
STRANGE = Anomaly(Oddity.UNEXPECTED_SHAPE)
UNKNOWN = Anomaly(Oddity.UNKNOWN_EVENT)
STOP = [Finish(FinishReason.STOP, "STOP"), Terminal()]
CALLED = [Finish(FinishReason.TOOL_CALLS, "STOP"), Terminal()]

# How it asks.


def asked(request: Request | None = None, **settings: Any):
    settings = {"kind": "gemini", "model": "m", "api_key": KEY} | settings
    return Gemini(ProviderSettings(**settings)).ask(request or Request.of("Hi"))


def body_of(**fields: Any) -> dict[str, Any]:
    return request_body(Request(messages=(user("Hi"),), **fields), "m")


BARE = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_a_bare_prompt_sends_nothing_that_was_not_asked_for():
    """The body of a plain prompt has its contents, and nothing else."""
    assert BARE == json.loads(asked().body)


@pytest.mark.parametrize(
    ("sampling", "sent"),
    [
        (Sampling(), {}),
        (Sampling(temperature=0.0), {"temperature": 0.0}),
        (Sampling(top_p=0.5), {"topP": 0.5}),
        (Sampling(max_output_tokens=7), {"maxOutputTokens": 7}),
        (Sampling(seed=0), {"seed": 0}),
        (Sampling(stop=("a", "b")), {"stopSequences": ["a", "b"]}),
    ],
)
def test_sampling_is_sent_as_far_as_it_is_told(sampling, sent):
    """Each sampling parameter has its field in `generationConfig`; what is left open is left out, zero is not open."""
    assert (BARE | {"generationConfig": sent} if sent else BARE) == body_of(sampling=sampling)


def test_a_conversation_keeps_its_order_and_the_system_stands_apart():
    """Messages go oldest first, what the model said under `model`; system instructions have a field of their own."""
    body = request_body(Request(messages=(user("a"), assistant("b"), user("c")), system="s"), "m")

    assert [("user", "a"), ("model", "b"), ("user", "c")] == [
        (content["role"], content["parts"][0]["text"]) for content in body["contents"]
    ]
    assert {"parts": [{"text": "s"}]} == body["systemInstruction"]


@pytest.mark.parametrize(
    ("extra", "sent"),
    [
        (
            {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
            {"generationConfig": {"seed": 1, "thinkingConfig": {"includeThoughts": True}}},
        ),
        ({"generationConfig": {"seed": 2}}, {"generationConfig": {"seed": 2}}),
        ({"generationConfig": None}, {"generationConfig": None}),
        ({"safetySettings": [{}]}, {"generationConfig": {"seed": 1}, "safetySettings": [{}]}),
        ({"contents": []}, {"generationConfig": {"seed": 1}, "contents": []}),
    ],
)
def test_extra_fields_pass_through_and_win(extra, sent):
    """A provider's own fields go into the body as they are; an object is merged with ours, and its fields win."""
    assert BARE | sent == body_of(sampling=Sampling(seed=1), extra=extra)


def test_what_json_cannot_express_is_the_users_mistake():
    """A request that can't be written as JSON is a `ConfigError`, which does not repeat the text."""
    with pytest.raises(ConfigError, match="JSON") as caught:
        asked(Request(messages=(user("my secret"),), extra={"labels": object()}))

    assert "my secret" not in str(caught.value)


def test_the_key_goes_into_one_header_and_nowhere_else():
    """The key is `x-goog-api-key`; the URL, the body and every `repr` are free of it."""
    request = asked()

    assert KEY == request.headers["x-goog-api-key"]
    assert [] == [name for name, value in request.headers.items() if KEY in value and name != "x-goog-api-key"]
    shown = repr(request) + request.url + request.body.decode()
    assert KEY not in shown + repr(Gemini(ProviderSettings(kind="gemini", model="m", api_key=KEY)))


def test_headers_of_the_settings_are_sent_and_hidden():
    """Further headers go along (Vertex AI's bearer token); without a key there is no `x-goog-api-key`."""
    request = asked(api_key="", headers={"Authorization": f"Bearer {KEY}"})

    assert {"Content-Type", "Accept", "Authorization"} == set(request.headers)
    assert KEY not in repr(request)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, f"{HOST}/v1beta/models/m:streamGenerateContent?alt=sse"),
        ({"model": "models/m"}, f"{HOST}/v1beta/models/m:streamGenerateContent?alt=sse"),
        ({"model": "tunedModels/t-1"}, f"{HOST}/v1beta/tunedModels/t-1:streamGenerateContent?alt=sse"),
        ({"model": "a b?c#d%é:e"}, f"{HOST}/v1beta/models/a%20b%3Fc%23d%25%C3%A9%3Ae:streamGenerateContent?alt=sse"),
        (
            {"base_url": "http://127.0.0.1:8080/"},
            "http://127.0.0.1:8080/v1beta/models/m:streamGenerateContent?alt=sse",
        ),
        (
            {"base_url": "https://h.example/gemini/v1"},
            "https://h.example/gemini/v1/models/m:streamGenerateContent?alt=sse",
        ),
    ],
)
def test_it_posts_to_the_models_own_endpoint(settings, url):
    """The model is in the URL, escaped; one that is a path stands as it is; `alt=sse` asks for events."""
    request = asked(**settings)

    assert ("POST", url) == (request.method, request.url)


@pytest.mark.parametrize(
    "model", ["", " ", "models/", "/m", "models//m", "../v1/files/x", "models/./m", "models/\ud800"]
)
def test_a_name_that_leads_elsewhere_is_refused(model):
    """A model's name can't be blank, nor be a path to another endpoint."""
    with pytest.raises(ConfigError, match=r"^model: "):
        asked(model=model)


# How events are found.


UNFRAMED = b'{\n  "error": {\n    "code": 503,\n    "message": "Overloaded."\n  }\n}\n'


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_json_outside_of_events_is_one_frame(line_end):
    """From the first line that begins with a brace the rest is one unterminated frame, behind what was open before."""
    wire = b": hello\n\ndata: {}\n\ndata: 1\ndata: 2\n" + UNFRAMED + b"\ndata: {}\n\n"
    frames = check_stage(lambda: GeminiFramer(Limits()), wire.replace(b"\n", line_end))

    rest = (UNFRAMED + b"\ndata: {}\n\n").replace(b"\n", line_end).decode()
    assert [Frame("{}"), Frame("1\n2", terminated=False), Frame(rest, terminated=False)] == frames


@pytest.mark.parametrize("first", [b"{", b"["])
def test_the_input_may_begin_outside_of_events(first):
    """A brace or a bracket at the very beginning is the beginning of a line."""
    assert [Frame(first.decode(), terminated=False)] == check_stage(lambda: GeminiFramer(Limits()), first)


@pytest.mark.parametrize("wire", [b'data: {"a":\ndata: {}}\n\n', b" {\n\ndata: 1\n\n", b"data: \xe2\x80\xa8{}\n\n"])
def test_braces_inside_lines_are_content(wire):
    """A brace elsewhere than at the beginning of a line makes nothing unframed."""
    (frame,) = check_stage(lambda: GeminiFramer(Limits()), wire)

    assert frame.terminated


def test_json_outside_of_events_has_a_limit():
    """Unframed JSON is held up to the limit of a frame, whatever the reads; the events before it are kept."""
    limits = Limits(max_frame_bytes=10)
    exactly = b"data: 1\n\n{" + b"x" * 9

    assert 2 == len(check_stage(lambda: GeminiFramer(limits), exactly))
    for reads in ([exactly + b"x"], [exactly, b"x"]):
        with pytest.raises(LimitExceeded, match="max_frame_bytes") as caught:
            run_inline(GeminiFramer(limits), [[read] for read in reads])
        assert [Frame("1")] == list(caught.value.made)


# How it reads.


def event(*parts: Any, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """An event whose first candidate has these parts."""
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    return {"candidates": [candidate | ({"finishReason": finish} if finish else {})], **fields}


def said(text: Any, **fields: Any) -> dict[str, Any]:
    return {"text": text, **fields}


def called(name: Any = "f", **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **fields}}


def read(*events: Any) -> list[Any]:
    """What a decoder makes of these events; strings and frames stand for themselves."""
    frames = [each if isinstance(each, Frame) else Frame(_data(each)) for each in events]
    return run_inline(GeminiDecoder(), [frames])


def _data(each: Any) -> str:
    return each if isinstance(each, str) else json.dumps(each)


@pytest.mark.parametrize(
    ("parts", "deltas"),
    [
        ([said("Hi")], [Text("Hi")]),
        ([said("Hi"), said(" you")], [Text("Hi"), Text(" you")]),
        ([said("")], []),
        ([], []),
        ([said("hm", thought=True)], [Thinking("hm")]),
        ([said("", thought=True)], []),
        ([{"thought": True}], []),
        ([said("Hi", thought=False)], [Text("Hi")]),
        ([said("hm", thought=True), said("Hi")], [Thinking("hm"), Text("Hi")]),
        ([said("Hi", thoughtSignature="c2ln")], [Text("Hi"), Signature("c2ln", sealed_by="gemini")]),
        ([said("hm", thought=True, thoughtSignature="c2ln")], [Thinking("hm"), Signature("c2ln", sealed_by="gemini")]),
        ([said("", thoughtSignature="c2ln")], [Signature("c2ln", sealed_by="gemini")]),
        ([{"thoughtSignature": "c2ln"}], [Signature("c2ln", sealed_by="gemini")]),
        ([said("Hi", thoughtSignature="")], [Text("Hi")]),
        ([{"executableCode": {"language": "PYTHON", "code": "1"}}], []),
        ([{"executableCode": {"code": "1"}, "thoughtSignature": "c2ln"}], [Signature("c2ln", sealed_by="gemini")]),
        ([{"codeExecutionResult": {"outcome": "OUTCOME_OK"}}], []),
        ([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}], []),
        ([{"fileData": {"fileUri": "gs://x"}}], []),
        ([{"toolCall": {}}, {"toolResponse": {}}, {"functionResponse": {}}, {"audioTranscription": {}}], []),
        ([{"hologram": {}}, said("Hi")], [UNKNOWN, Text("Hi")]),
        ([said("Hi", partMetadata={"a": 1})], [Text("Hi")]),
    ],
)
def test_parts_are_told_by_their_kind(parts, deltas):
    """Text, thoughts and their seals are told; what else there is, is known and not shown; a new kind is counted."""
    assert deltas == read(event(*parts))


def fragment(index: int, arguments: str = "{}", **fields: Any) -> ToolCallFragment:
    return ToolCallFragment(**{"index": index, "name": "f", "arguments": arguments, "complete": True, **fields})


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (called(args={"city": "Łódź", "n": [1, 2.5]}), fragment(0, '{"city":"Łódź","n":[1,2.5]}')),
        (called(args={}), fragment(0)),
        (called(args=None), fragment(0)),
        (called(), fragment(0)),
        (called(id="c"), fragment(0, id="c")),
        (called() | {"thoughtSignature": "c2ln"}, fragment(0, signature="c2ln", sealed_by="gemini")),
        (called() | {"thoughtSignature": ""}, fragment(0)),
        (called(args={"n": 10**30}), fragment(0, '{"n":1000000000000000000000000000000}')),
        (called(args='{"a": 1}'), fragment(0, '{"a": 1}')),
        (called(args=[1, None]), fragment(0, "[1,null]")),
        (called(name=None), fragment(0, name=None)),
    ],
)
def test_a_function_call_comes_whole(part, told):
    """A call is one complete fragment: its arguments as compact JSON, its id and its seal as far as it has them."""
    assert [told] == read(event(part))


def test_calls_are_numbered_over_the_whole_answer():
    """Several calls in an event and several events with calls never share an index, and text between does not count."""
    calls = read(event(called(), called()), event(said("and")), event(called(id="c")), event(called(), finish="STOP"))

    assert [fragment(0), fragment(1), Text("and"), fragment(2, id="c"), fragment(3), *CALLED] == calls


def test_calls_without_ids_get_ids_that_never_collide():
    """After the assembler every call has an id of its own, also where a provider's id looks like a made-up one."""
    ids = [None, "call_1", None, "call_1", "", "call_0"]
    events = [event(called(id=each)) for each in ids]
    pieces = run_inline(fuse(GeminiDecoder(), ToolCallAssembler()), [[Frame(_data(each)) for each in events]])
    starts = [piece for piece in pieces if type(piece).__name__ == "ToolCallStart"]

    assert len(ids) == len({start.id for start in starts})


@pytest.mark.parametrize("part", [called(partialArgs=[{"jsonPath": "$.a"}]), called(willContinue=True)])
def test_a_call_in_pieces_is_not_taken_for_a_whole_one(part):
    """Streamed arguments, which only Vertex AI sends and only when asked, are counted; no call is made of them."""
    assert [STRANGE] == read(event(part))


COUNTED = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
TOLD = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (COUNTED, TOLD),
        (
            COUNTED | {"thoughtsTokenCount": 4, "totalTokenCount": 19},
            TOLD | {"reasoning_tokens": 4, "total_tokens": 19},
        ),
        (COUNTED | {"cachedContentTokenCount": 8}, TOLD | {"cached_input_tokens": 8}),
        (COUNTED | {"thoughtsTokenCount": 0}, TOLD | {"reasoning_tokens": 0}),
        (COUNTED | {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}], "serviceTier": "s"}, TOLD),
        ({"promptTokenCount": 10, "totalTokenCount": 10}, {"input_tokens": 10, "total_tokens": 10}),
        (
            {
                "promptTokenCount": 10,
                "candidatesTokenCount": 5,
                "thoughtsTokenCount": 4,
                "toolUsePromptTokenCount": 3,
                "cachedContentTokenCount": 8,
            },
            TOLD | {"total_tokens": 22, "reasoning_tokens": 4, "cached_input_tokens": 8},
        ),
        ({"promptTokenCount": 10}, {"input_tokens": 10, "total_tokens": 10}),
        ({"candidatesTokenCount": 5}, {"output_tokens": 5}),
    ],
)
def test_counts_are_told_as_they_are(counts, told):
    """Counts are the provider's; a missing total is added up: thoughts and tools come on top, the cache does not."""
    assert [Usage(TokenUsage(**told))] == read({"usageMetadata": counts})


@pytest.mark.parametrize("counts", [None, {}, {"trafficType": "ON_DEMAND"}])
def test_no_counts_are_no_usage(counts):
    """Empty counts tell nothing."""
    assert [Text("Hi")] == read(event(said("Hi"), usageMetadata=counts))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        *FINISH_REASONS.items(),
        ("MALFORMED_FUNCTION_CALL", FinishReason.OTHER),
        ("UNEXPECTED_TOOL_CALL", FinishReason.OTHER),
        ("OTHER", FinishReason.OTHER),
        ("WHAT_COMES_TOMORROW", FinishReason.OTHER),
    ],
)
def test_finish_reasons_are_translated_and_kept(word, reason):
    """Every word for why the model stopped has gestura's term beside it; what has none is `OTHER`."""
    assert [Text("Hi"), Finish(reason, word), Terminal()] == read(event(said("Hi"), finish=word))


def test_only_a_stop_after_calls_waits_for_their_results():
    """A stop after function calls is `TOOL_CALLS`, wherever they stood; another reason after them stays what it is."""
    stopped, cut_short = (read(event(called()), event(finish=word)) for word in ("STOP", "MAX_TOKENS"))

    assert [fragment(0), *CALLED] == stopped
    assert [fragment(0), Finish(FinishReason.LENGTH, "MAX_TOKENS"), Terminal()] == cut_short


CUT_OFF = Frame('{"candidates":[{"content":{"parts":[{"text":"Hi', terminated=False)


@pytest.mark.parametrize(
    ("events", "deltas"),
    [
        ([event(said("Hi"), finish="STOP")], [Text("Hi"), *STOP]),
        ([event(said("Hi")), {"candidates": [{"finishReason": "STOP"}]}], [Text("Hi"), *STOP]),
        ([event(finish="STOP"), {"usageMetadata": COUNTED}], [Usage(TokenUsage(**TOLD)), *STOP]),
        ([event(said("a"), finish="STOP"), event(said("b"), finish="STOP")], [Text("a"), Text("b"), *STOP]),
        ([event(said("a"), finish="STOP"), event(said("b"))], [Text("a"), Text("b"), *STOP]),
        ([event(finish="STOP"), event(finish="SAFETY")], [Finish(FinishReason.CONTENT_FILTER, "SAFETY"), Terminal()]),
        ([Frame(_data(event(said("Hi"), finish="STOP")), terminated=False)], [Text("Hi"), *STOP]),
        ([event(said("Hi"))], [Text("Hi")]),
        ([event(said("Hi"), finish="")], [Text("Hi")]),
        ([event(said("Hi")), {"usageMetadata": COUNTED}], [Text("Hi"), Usage(TokenUsage(**TOLD))]),
        ([event(said("Hi"), finish="STOP"), CUT_OFF], [Text("Hi")]),
        ([CUT_OFF], []),
        ([], []),
    ],
)
def test_an_answer_is_complete_where_the_input_ends_after_a_finish_reason(events, deltas):
    """The last finish reason counts, with all that follows it; without one, or cut off, the answer is not complete."""
    assert deltas == read(*events)


@pytest.mark.parametrize("data", ["", " ", "\t", "[DONE]"])
def test_empty_data_is_passed_over(data):
    """Events without data are keep-alives; the end mark of other wire formats, which gateways add, is no end here."""
    assert [Text("Hi")] == read(data, event(said("Hi")), data)


def test_the_model_is_told_when_it_changes():
    """The model's name is told once, and again when another one goes on."""
    named = (event(modelVersion=name) for name in ("", "a", "a", None, "b"))

    assert [ModelName("a"), ModelName("b")] == read(*named)


def test_other_candidates_do_not_mix_with_the_first():
    """Of several candidates the first is read, wherever it stands; the others are counted, their finish reason too."""
    (other,) = event(said("B"), finish="MAX_TOKENS")["candidates"]
    both = {"candidates": [other | {"index": 1}, *event(said("A"), finish="STOP")["candidates"]]}

    assert [Anomaly(Oddity.OTHER_CHOICE), Text("A"), *STOP] == read(both)


@pytest.mark.parametrize(
    "event_without_content",
    [
        {"candidates": []},
        {"candidates": [{}]},
        {"candidates": [{"index": 0, "content": None, "finishReason": None}]},
        {"candidates": [{"content": {"role": "model"}}]},
        {"candidates": [{"content": {"parts": None}}]},
        {"candidates": [{"groundingMetadata": {}, "citationMetadata": {}, "safetyRatings": [], "avgLogprobs": -1}]},
        {"promptFeedback": {"safetyRatings": [{"category": "HARM", "probability": "LOW"}]}},
        {"promptFeedback": {"blockReason": None}},
        {"error": {}, "candidates": []},
    ],
)
def test_nothing_comes_of_what_holds_nothing(event_without_content):
    """Null, absent and empty things are normal, and so are fields that gestura does not read."""
    assert [] == read(event_without_content)


@pytest.mark.parametrize("strange", [{}, {"responseId": "r"}, {"toolEvent": {"name": "x"}}])
def test_an_event_of_an_unknown_kind_is_counted(strange):
    """An event that has none of what an answer is made of is passed over, and counted."""
    assert [UNKNOWN] == read(strange)


# Failures, told inside a stream that began well.


@pytest.mark.parametrize(
    ("feedback", "message", "code"),
    [
        ({"blockReason": "SAFETY"}, "the prompt was blocked (SAFETY)", "SAFETY"),
        (
            {"blockReason": "SAFETY", "blockReasonMessage": "Reasons", "safetyRatings": []},
            "the prompt was blocked (SAFETY: Reasons)",
            "SAFETY",
        ),
        ({"blockReason": "TOMORROWS"}, "the prompt was blocked (TOMORROWS)", "TOMORROWS"),
    ],
)
def test_a_blocked_prompt_is_a_clear_error(feedback, message, code):
    """A prompt that was blocked is refused for good, with Google's reason, and its counts are told."""
    usage, fault = read({"promptFeedback": feedback, "usageMetadata": COUNTED})

    assert Usage(TokenUsage(**TOLD)) == usage
    assert Fault(kind=ErrorKind.BAD_REQUEST, message=message, code=code) == fault


def test_an_answer_is_no_blocked_prompt():
    """A block reason beside an answer takes nothing from it."""
    feedback = {"blockReason": "BLOCKED_REASON_UNSPECIFIED"}

    assert [Text("Hi"), *STOP] == read(event(said("Hi"), finish="STOP", promptFeedback=feedback))


@pytest.mark.parametrize(
    ("failed", "kind", "message", "code"),
    [
        ({"error": {"code": 500, "message": "boom", "status": "INTERNAL"}}, ErrorKind.SERVER, "boom", "INTERNAL"),
        ({"error": {"code": 503, "status": "UNAVAILABLE"}}, ErrorKind.OVERLOADED, "without a message", "UNAVAILABLE"),
        ({"error": {"code": 429, "message": "Quota."}}, ErrorKind.RATE_LIMITED, "Quota.", None),
        ({"error": "boom"}, ErrorKind.SERVER, "boom", None),
        (Frame(UNFRAMED.decode(), terminated=False), ErrorKind.OVERLOADED, "Overloaded.", None),
    ],
)
def test_an_error_inside_the_stream_is_a_fault(failed, kind, message, code):
    """An error object is a fault, in an event or outside; no finish reason before it makes the answer complete."""
    text, fault = read(event(said("Hi"), finish="STOP"), failed)

    assert Text("Hi") == text
    assert (kind, code) == (fault.kind, fault.code)
    assert message in fault.message


def test_an_answer_that_reached_its_limit_is_no_overflow():
    """Once the model is answering, a limit of tokens that the provider speaks of is the answer's, not the request's."""
    failed = {"error": {"code": 400, "message": "The input token count exceeds the maximum number of tokens allowed."}}
    (refused,) = read(failed)
    _, cut_short = read(event(said("Hi")), failed)

    assert (ErrorKind.CONTEXT_OVERFLOW, ErrorKind.BAD_REQUEST) == (refused.kind, cut_short.kind)


# What fits into no shape.


@pytest.mark.parametrize(
    ("strange", "deltas"),
    [
        (event(said(5), said("Hi")), [STRANGE, UNKNOWN, Text("Hi")]),
        (event(said("Hi", thought="yes")), [STRANGE, Text("Hi")]),
        (event(said("Hi", thoughtSignature=5)), [STRANGE, Text("Hi")]),
        (event(5, said("Hi"), None), [STRANGE, Text("Hi")]),
        (event(called(name=5, id="c")), [STRANGE, fragment(0, name=None, id="c")]),
        (event(called(id=5)), [STRANGE, fragment(0)]),
        (event(called(), finish="STOP", usageMetadata=5), [STRANGE, fragment(0), *CALLED]),
        (event(said("Hi"), modelVersion=5), [STRANGE, Text("Hi")]),
        (event(said("Hi"), error=[5]), [STRANGE, Text("Hi")]),
        (event(said("Hi"), promptFeedback="no"), [STRANGE, Text("Hi")]),
        ({"candidates": {"content": {}}, "modelVersion": "m"}, [STRANGE, ModelName("m")]),
        ({"candidates": [{"index": "1", "content": {"parts": [said("Hi")]}}]}, [STRANGE, Text("Hi")]),
        ({"candidates": [{"content": "Hi", "finishReason": "STOP"}]}, [STRANGE, *STOP]),
        (
            {"usageMetadata": {"promptTokenCount": "10", "totalTokenCount": 15}},
            [STRANGE, Usage(TokenUsage(total_tokens=15))],
        ),
        ('{"candidates":[{"content":{"parts":[{"text":"\\ud83d"}]}}]}', [STRANGE, Text("\ufffd")]),
        (
            '{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":NaN}}}]}}]}',
            [STRANGE, fragment(0, '{"a":null}')],
        ),
    ],
)
def test_a_field_of_another_type_costs_that_field_and_no_more(strange, deltas):
    """What does not have its declared type is passed over and counted; all that stands beside it is read."""
    assert deltas == read(strange)


@pytest.mark.parametrize("data", ["{", "nonsense", "[]", '[{"error":{"code":503}}]', "5", "null"])
def test_what_is_no_json_object_breaks_the_protocol(data):
    """An event that is no JSON object is a `ProtocolError` that says which event; what came before it is kept."""
    with pytest.raises(ProtocolError, match="event 2") as caught:
        read(event(said("Hi")), data)

    assert [Text("Hi")] == list(caught.value.made)


@pytest.mark.parametrize("text", ['"Hi"', r'"\ud800"'], ids=["at once", "leniently"])
def test_no_depth_of_nesting_slips_through(text):
    """At every depth around the interpreter's limit, an event is read whole or is a `ProtocolError`."""
    for depth in range(sys.getrecursionlimit() - 150, sys.getrecursionlimit()):
        arguments = '{"a":' * depth + "1" + "}" * depth
        parts = f'[{{"text":{text}}},{{"functionCall":{{"args":{arguments}}}}}]'
        try:
            deltas = read(f'{{"candidates":[{{"content":{{"parts":{parts}}}}}]}}')
        except ProtocolError:
            continue

        assert arguments == deltas[-1].arguments


# Any JSON at all.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object in which each field has its shape, another one, or is absent; or no object at all."""
    return st.fixed_dictionaries({}, optional={name: each | JSON for name, each in fields.items()}) | JSON


CALL = shaped(id=st.text(max_size=2), name=st.text(max_size=2), args=JSON, willContinue=st.booleans())
PART = shaped(
    text=st.text(max_size=2),
    thought=st.booleans(),
    thoughtSignature=st.text(max_size=2),
    functionCall=CALL,
    inlineData=JSON,
)
CANDIDATE = shaped(
    index=st.integers(0, 1),
    content=shaped(parts=st.lists(PART, max_size=3)),
    finishReason=st.sampled_from(["STOP", "SAFETY", "", "NEW"]),
)
EVENT = shaped(
    candidates=st.lists(CANDIDATE, max_size=2),
    usageMetadata=shaped(promptTokenCount=st.integers(), totalTokenCount=st.integers(), thoughtsTokenCount=JSON),
    promptFeedback=shaped(blockReason=st.text(max_size=2), blockReasonMessage=st.text(max_size=2)),
    modelVersion=st.text(max_size=2),
    error=shaped(message=JSON, code=st.sampled_from([400, "500"]), details=JSON),
)


@given(st.lists(st.builds(Frame, EVENT.map(json.dumps), st.just(""), st.booleans()), max_size=4))
@example([Frame('{"error":{"code":"' + "9" * 5000 + '"}}')])
@example([Frame('{"candidates":[{"content":{"parts":[{"functionCall":{"args":"\\ud800"}}]}}]}')])
def test_any_json_gives_deltas_or_a_protocol_error(frames):
    """Whatever a server puts into the fields, deltas or a `ProtocolError` come out, nothing empty, and the end last."""
    try:
        deltas = run_inline(GeminiDecoder(), [frames])
    except ProtocolError as error:
        deltas = list(error.made)

    assert [] == [each for each in deltas if isinstance(each, Text | Thinking) and not each.text]
    assert [] == [each for each in deltas if isinstance(each, Signature) and not each.signature]
    assert all(each.message for each in deltas if isinstance(each, Fault))
    indexes = [each.index for each in deltas if isinstance(each, ToolCallFragment)]
    assert list(range(len(indexes))) == indexes
    ends = [position for position, each in enumerate(deltas) if isinstance(each, Terminal)]
    assert ends in ([], [len(deltas) - 1])
    assert not (ends and any(isinstance(each, Fault) for each in deltas))
    # No half of a surrogate pair is left, which nobody could print or send on.
    json.dumps([attrs.asdict(each) for each in deltas], ensure_ascii=False, default=str).encode()


# What the simulator says.

counts = st.none() | st.integers(0, 10**9)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
arguments_texts = st.dictionaries(st.text(), json_values, max_size=3).map(json.dumps) | st.text(min_size=1)
steps = st.one_of(
    st.builds(Thinking, st.text()),
    st.builds(Text, st.text()),
    st.builds(Refusal, st.text()),
    st.builds(ToolCall, st.text(), st.text(min_size=1), arguments_texts),
    st.builds(Comment, st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"))),
)
scenarios = st.builds(
    Scenario,
    model=st.text(min_size=1),
    steps=st.lists(steps, max_size=6).map(tuple),
    finish=st.sampled_from(FinishReason),
    usage=st.none()
    | st.builds(
        TokenUsage,
        input_tokens=st.integers(0, 10**9),
        output_tokens=counts,
        total_tokens=st.integers(0, 10**9),
        cached_input_tokens=counts,
        reasoning_tokens=counts,
    ),
    sending=st.builds(Sending, characters_per_event=st.none() | st.integers(1, 9)),
)


def stages():
    return fuse(GeminiFramer(Limits()), GeminiDecoder())


def parsed(arguments: str) -> Any:
    """Arguments as what they mean, so that two ways of writing the same JSON are equal."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


HEARD_AS = {
    FinishReason.REFUSAL: FinishReason.STOP,
    FinishReason.TOOL_CALLS: FinishReason.STOP,
    FinishReason.PAUSE: FinishReason.OTHER,
}
"""What Gemini has no word for."""


@given(scenarios)
def test_what_the_voice_says_is_what_the_decoder_hears(scenario):
    """Text, thinking, tool calls in their order, finish reason, usage, model and end come out as they were meant."""
    deltas = run_inline(stages(), [GeminiVoice().render(scenario, {})])

    meant = [Text(step.text) if isinstance(step, Refusal) else step for step in scenario.steps]
    meant = [step for step in meant if isinstance(step, ToolCall) or (isinstance(step, Text | Thinking) and step.text)]
    heard = [
        ToolCall(each.id or "", each.name, each.arguments) if isinstance(each, ToolCallFragment) else each
        for each in merged(deltas)
        if isinstance(each, ToolCallFragment | Text | Thinking)
    ]
    assert [_meaning(step) for step in merged(meant)] == [_meaning(step) for step in heard]

    finish = HEARD_AS.get(scenario.finish, scenario.finish)
    if finish is FinishReason.STOP and any(isinstance(step, ToolCall) for step in meant):
        finish = FinishReason.TOOL_CALLS
    ends = [] if finish is FinishReason.UNKNOWN else [finish]
    assert ends == [each.reason for each in deltas if isinstance(each, Finish)]
    assert len(ends) == sum(isinstance(each, Terminal) for each in deltas)
    assert [scenario.usage] * (scenario.usage is not None) == [each.usage for each in deltas if isinstance(each, Usage)]
    assert ModelName(scenario.model) in deltas
    assert not [each for each in deltas if isinstance(each, Anomaly | Fault)]


def _meaning(step: Any) -> Any:
    return (step.id, step.name, parsed(step.arguments)) if isinstance(step, ToolCall) else step


@given(scenarios, st.integers(1, 40))
def test_cuts_do_not_matter(scenario, read_bytes):
    """An answer read in pieces of any size gives the same deltas."""
    wire = b"".join(GeminiVoice().render(scenario, {}))

    assert check_stage(stages, wire, range(read_bytes, len(wire), read_bytes))


def test_an_error_in_the_stream_comes_unframed():
    """The voice fails as Gemini does, in JSON outside of any event, and it is heard."""
    scenario = Scenario(model="m", steps=(Text("one"), StreamError("Lost.", code="INTERNAL")))
    *_, fault = check_stage(stages, b"".join(GeminiVoice().render(scenario, {})))

    assert Fault(kind=ErrorKind.SERVER, message="Lost.", status=500, code="INTERNAL") == fault


def test_http_errors_are_googles():
    """An HTTP error has the numeric code and Google's word for it; the path of a model has its prefix taken off."""
    error = json.loads(GeminiVoice().error(404, "No such model.", "model_not_found"))["error"]

    assert {"code": 404, "message": "No such model.", "status": "NOT_FOUND"} == error
    assert ["m", "tunedModels/t"] == [GeminiVoice().model_of({"model": m}, {}) for m in ("models/m", "tunedModels/t")]
