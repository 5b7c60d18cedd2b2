"""Chat Completions: what is asked, and what is made of every shape that servers answer in."""

from __future__ import annotations

import json
import sys
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ConfigError, ErrorKind, Fault, ProtocolError
from gestura.messages import assistant, user
from gestura.providers.openai_chat import FINISH_REASONS, ChatDecoder, OpenAIChat
from gestura.request_options import Sampling, Tool
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
from gestura.testing import run_inline
from gestura.usage import TokenUsage

KEY = "sk-canary-0123456789"
STRANGE = Anomaly(Oddity.UNEXPECTED_SHAPE)
STOP = Finish(FinishReason.STOP, "stop")

# How it asks.


def asked(request: Request | None = None, **settings: Any):
    settings = {"kind": "openai_chat", "model": "m", "api_key": KEY} | settings
    return OpenAIChat(ProviderSettings(**settings)).ask(request or Request.of("Hi"))


def body_of(**fields: Any) -> dict[str, Any]:
    return json.loads(asked(Request(messages=(user("Hi"),), **fields)).body)


BARE = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hi"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


def test_a_bare_prompt_sends_nothing_that_was_not_asked_for():
    """The body of a plain prompt has the model, the message, and the wish to stream with usage; nothing else."""
    assert BARE == json.loads(asked().body)


@pytest.mark.parametrize(
    ("sampling", "sent"),
    [
        (Sampling(), {}),
        (Sampling(temperature=0.0), {"temperature": 0.0}),
        (Sampling(top_p=0.5), {"top_p": 0.5}),
        (Sampling(max_output_tokens=7), {"max_completion_tokens": 7}),
        (Sampling(seed=0), {"seed": 0}),
        (Sampling(stop=("a", "b")), {"stop": ["a", "b"]}),
        (Sampling(stop=()), {}),
    ],
)
def test_sampling_is_sent_as_far_as_it_is_told(sampling, sent):
    """Each sampling parameter has its field; what is left open is left out, and zero is not open."""
    assert BARE | sent == body_of(sampling=sampling)


def test_a_conversation_keeps_its_order_below_the_system_prompt():
    """System instructions stand first, then the messages, oldest first."""
    request = Request(messages=(user("a"), assistant("b"), user("c")), system="s")

    assert [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c")] == [
        (message["role"], message["content"]) for message in json.loads(asked(request).body)["messages"]
    ]


def test_tools_are_described():
    """With tools, the body has their schemas, and says nothing of the choice where the request does not."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = Tool(name="weather", description="The weather.", parameters=schema)
    function = {"name": "weather", "description": "The weather.", "parameters": schema}

    assert BARE | {"tools": [{"type": "function", "function": function}]} == body_of(tools=(tool,))


def test_extra_fields_pass_through_and_win():
    """A provider's own fields go into the body as they are, also over ours."""
    extra = {"reasoning_effort": "low", "stream_options": {"include_usage": False}}

    assert BARE | extra == body_of(extra=extra)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"user": object()}, "object"),
        ({"user": "\ud800"}, "surrogate"),
        ({1j: "x"}, "extra: a mapping"),
    ],
)
def test_what_json_cannot_express_is_the_users_mistake(extra, reason):
    """A request that can't be written as JSON is a `ConfigError`, which does not repeat the text."""
    with pytest.raises(ConfigError, match=f"(?i){reason}") as caught:
        asked(Request(messages=(user("my secret"),), extra=extra))

    assert "my secret" not in str(caught.value)


def test_the_key_goes_into_one_header_and_nowhere_else():
    """The key is the bearer token; the URL, the body and every `repr` are free of it."""
    request = asked()

    assert f"Bearer {KEY}" == request.headers["Authorization"]
    assert [] == [name for name, value in request.headers.items() if KEY in value and name != "Authorization"]
    shown = repr(request) + request.url + request.body.decode()
    assert KEY not in shown + repr(OpenAIChat(ProviderSettings(kind="openai_chat", model="m", api_key=KEY)))


def test_headers_of_the_settings_are_sent_and_hidden():
    """Further headers go along (Azure's `api-key`); without a key there is no `Authorization`."""
    request = asked(api_key="", headers={"api-key": KEY, "Accept": "*/*"})

    assert {"Content-Type": "application/json", "Accept": "*/*", "api-key": KEY} == request.headers
    assert KEY not in repr(request)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (None, "https://api.openai.com/v1/chat/completions"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/chat/completions"),
        ("https://openrouter.ai/api/v1/", "https://openrouter.ai/api/v1/chat/completions"),
    ],
)
def test_it_posts_to_the_endpoint_below_the_base_url(base_url, url):
    """`chat/completions` stands below the base URL, OpenAI's unless told."""
    request = asked(base_url=base_url)

    assert ("POST", url) == (request.method, request.url)


@pytest.mark.parametrize("secret", [{"api_key": KEY}, {"api_key": "", "headers": {"api-key": KEY}}])
def test_plain_http_to_another_machine_is_for_servers_without_keys(secret):
    """A server in the local network is asked over plain HTTP, unless a key or a header would go there in the clear."""
    assert "http://192.168.0.9:8000/v1/chat/completions" == asked(api_key="", base_url="http://192.168.0.9:8000").url
    with pytest.raises(ConfigError, match="in the clear"):
        asked(base_url="http://192.168.0.9:8000", **secret)


# How it reads.


def event(delta: Any = None, finish_reason: Any = None, **fields: Any) -> dict[str, Any]:
    """A chunk whose first choice has this delta."""
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish_reason}], **fields}


def read(*events: Any) -> list[Any]:
    """What a decoder makes of these events; strings and frames stand for themselves."""
    frames = [each if isinstance(each, Frame) else Frame(_data(each)) for each in events]
    return run_inline(ChatDecoder(), [frames])


def _data(each: Any) -> str:
    return each if isinstance(each, str) else json.dumps(each)


def call(**fields: Any) -> dict[str, Any]:
    return event({"tool_calls": [fields]})


@pytest.mark.parametrize(
    ("delta", "deltas"),
    [
        ({"content": "Hi"}, [Text("Hi")]),
        ({"content": ""}, []),
        ({"content": None, "role": "assistant"}, []),
        ({}, []),
        ({"reasoning_content": "hm"}, [Thinking("hm")]),
        ({"reasoning": "hm"}, [Thinking("hm")]),
        ({"reasoning_content": "hm", "reasoning": "hm"}, [Thinking("hm")]),
        ({"reasoning_content": "", "reasoning": None, "content": "Hi"}, [Text("Hi")]),
        ({"reasoning_content": "hm", "content": "Hi"}, [Thinking("hm"), Text("Hi")]),
        ({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, [Thinking("hm")]),
        ({"reasoning_details": [{"text": "a"}, {"summary": "b"}]}, [Thinking("a"), Thinking("b")]),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "c2VjcmV0"}]}, []),
        ({"reasoning_details": [{"text": None}, "text", None, 5]}, []),
        ({"reasoning_details": None}, []),
        ({"refusal": "No."}, [Refusal("No.")]),
        ({"refusal": ""}, []),
        ({"content": [{"type": "text", "text": "Hi"}]}, [Text("Hi")]),
        ({"content": [{"type": "text", "text": ""}]}, []),
        ({"content": [{"type": "thinking", "thinking": "hm"}]}, [Thinking("hm")]),
        ({"content": [{"type": "thinking", "thinking": ""}]}, []),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "x"}, 1]}]},
            [Thinking("h")],
        ),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hi"}]}, [Text("Hi")]),
        ({"content": [{"type": "image_url"}]}, [STRANGE]),
        ({"content": ["Hi"]}, [STRANGE]),
        ({"content": []}, []),
        ({"unknown": {"field": [1, 2]}, "content": "Hi"}, [Text("Hi")]),
    ],
)
def test_text_and_reasoning_come_in_many_shapes(delta, deltas):
    """Text, reasoning and refusals are read wherever servers put them; nothing empty is told."""
    assert deltas == read(event(delta))


@pytest.mark.parametrize(
    ("calls", "fragments"),
    [
        (
            [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}],
            [ToolCallFragment(index=0, id="c", name="f")],
        ),
        ([{"index": 0, "function": {"arguments": '{"a'}}], [ToolCallFragment(index=0, arguments='{"a')]),
        (
            [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
            [ToolCallFragment(id="c", name="f", arguments="{}")],
        ),
        (
            [{"index": 0, "id": "a"}, {"index": 1, "id": "b"}],
            [ToolCallFragment(index=0, id="a"), ToolCallFragment(index=1, id="b", position=1)],
        ),
        (
            [{"function": {"name": "f", "arguments": {"city": "Łódź", "n": 10**30}}}],
            [ToolCallFragment(name="f", arguments='{"city":"Łódź","n":1000000000000000000000000000000}')],
        ),
        ([{"index": 0, "id": None, "function": {"name": None, "arguments": None}}], [ToolCallFragment(index=0)]),
        ([{"index": 0, "function": None}], [ToolCallFragment(index=0)]),
        ([], []),
        (None, []),
    ],
)
def test_fragments_of_tool_calls_are_passed_on_as_they_are(calls, fragments):
    """Index, id, name and arguments are what the event says of them; arguments given as an object become JSON text."""
    assert fragments == read(event({"tool_calls": calls}))


USED = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
TOLD = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (USED, TOLD),
        (USED | {"prompt_tokens_details": {"cached_tokens": 4}}, TOLD | {"cached_input_tokens": 4}),
        (USED | {"prompt_tokens_details": {"cache_write_tokens": 3}}, TOLD | {"cache_write_tokens": 3}),
        (USED | {"prompt_tokens_details": {"cached_tokens": None}}, TOLD),
        (USED | {"prompt_tokens_details": None, "completion_tokens_details": None}, TOLD),
        (USED | {"completion_tokens_details": {"reasoning_tokens": 0}}, TOLD | {"reasoning_tokens": 0}),
        (USED | {"cached_tokens": 4}, TOLD | {"cached_input_tokens": 4}),
        (USED | {"prompt_cache_hit_tokens": 4}, TOLD | {"cached_input_tokens": 4}),
        (
            USED | {"prompt_tokens_details": {"cached_tokens": 4}, "cached_tokens": 9},
            TOLD | {"cached_input_tokens": 4},
        ),
        (USED | {"reasoning_tokens": 2}, TOLD | {"reasoning_tokens": 2}),
        (USED | {"cost": 0.25, "cost_details": {"x": [1]}}, TOLD),
        ({"prompt_tokens": 10, "completion_tokens": None, "total_tokens": None}, {"input_tokens": 10}),
        ({"prompt_tokens": 0}, {"input_tokens": 0}),
    ],
)
@pytest.mark.parametrize(
    "put",
    [
        lambda usage: {"choices": [], "usage": usage},
        lambda usage: {"usage": usage},
        lambda usage: event(usage=usage),
        lambda usage: event(x_groq={"id": "r", "usage": usage}),
        lambda usage: {"choices": [{"delta": {}, "usage": usage}]},
    ],
    ids=["without choices", "alone", "beside a choice", "in x_groq", "in the choice"],
)
def test_usage_comes_in_many_shapes(usage, told, put):
    """Counts are read wherever servers put them; a count that is absent or null is not told, which is not zero."""
    assert [Usage(TokenUsage(**told))] == read(put(usage))


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"total_cost": 1}])
def test_usage_without_counts_tells_nothing(usage):
    """An empty usage object is no usage."""
    assert [] == read(event(usage=usage))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        *FINISH_REASONS.items(),
        ("STOP", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("insufficient_system_resource", FinishReason.OTHER),
    ],
)
def test_finish_reasons_are_translated_and_kept(word, reason):
    """Every word for why the model stopped has gestura's term beside it, and an unknown one is `OTHER`."""
    assert [Finish(reason, word), Terminal()] == read(event(finish_reason=word))


def test_text_may_come_with_the_finish():
    """The last text and the last tool fragment may share their event with the finish reason, and come before it."""
    assert [Text("Hi"), ToolCallFragment(index=0, arguments="}"), STOP, Terminal()] == read(
        event({"content": "Hi", "tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}, "stop")
    )


def test_a_refusal_that_stops_is_a_refusal():
    """After words of refusal, "stop" means that the model declined; the provider's word is kept."""
    refusal = event({"refusal": "No."})

    assert [Refusal("No."), Finish(FinishReason.REFUSAL, "stop"), Terminal()] == read(refusal, event({}, "stop"))
    assert [Refusal("No."), Finish(FinishReason.LENGTH, "length"), Terminal()] == read(refusal, event({}, "length"))


@pytest.mark.parametrize(
    ("events", "deltas"),
    [
        (["[DONE]"], [Terminal()]),
        ([Frame("[DONE]", terminated=False)], [Terminal()]),
        (["[DONE] "], [Terminal()]),
        ([event({}, "stop")], [STOP, Terminal()]),
        ([event({}, "stop"), "[DONE]"], [STOP, Terminal()]),
        ([event({}, "stop"), event(usage=USED), "[DONE]"], [STOP, Usage(TokenUsage(**TOLD)), Terminal()]),
        ([event({"content": "Hi"})], [Text("Hi")]),
        ([event({"content": "Hi"}, "")], [Text("Hi")]),
        ([event({"content": "Hi"}), "[DONE]", event({"content": "late"})], [Text("Hi"), Terminal()]),
        ([event({"content": "Hi"}), event(usage=USED)], [Text("Hi"), Usage(TokenUsage(**TOLD))]),
        ([], []),
    ],
)
def test_an_answer_is_complete_with_done_or_a_finish_reason(events, deltas):
    """`[DONE]` or a finish reason ends an answer, once; the end of the input alone does not, nor does usage."""
    assert deltas == read(*events)


@pytest.mark.parametrize("data", ["", " ", "\t"])
def test_empty_data_is_passed_over(data):
    """Events without data are keep-alives."""
    assert [Text("Hi")] == read(data, event({"content": "Hi"}), data)


def test_the_model_is_told_when_it_changes():
    """The model's name is told once, and again when another one goes on."""
    assert [ModelName("a"), ModelName("b")] == read(*({"model": name} for name in ("", "a", "a", None, "b")))


def test_other_choices_do_not_mix_with_the_first():
    """Of several choices the first is read, wherever it stands; the others are counted, their finish reason too."""
    both = {
        "choices": [
            {"index": 1, "delta": {"content": "B"}, "finish_reason": "length"},
            {"index": 0, "delta": {"content": "A"}, "finish_reason": "stop"},
        ]
    }

    assert [Anomaly(Oddity.OTHER_CHOICE), Text("A"), STOP, Terminal()] == read(both)


@pytest.mark.parametrize(
    "event_without_content",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [{}]},
        {"choices": [{"index": 0, "delta": None, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "logprobs": None, "content_filter_results": {}}]},
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {"error": None},
        {"error": {}},
        {"error": "", "object": "chat.completion.chunk"},
        {"citations": ["https://example.com"], "x_groq": {"id": "r"}, "usage": None},
    ],
)
def test_nothing_comes_of_what_holds_nothing(event_without_content):
    """Null, absent and empty things are normal, and unknown fields are no fault."""
    assert [] == read(event_without_content)


# Failures, told inside a stream that began well.


@pytest.mark.parametrize(
    ("failed", "kind", "message", "code"),
    [
        ({"error": {"message": "boom", "code": "server_error"}}, ErrorKind.SERVER, "boom", "server_error"),
        ({"error": "boom"}, ErrorKind.SERVER, "boom", None),
        ({"error": "slow down", "code": "rate limit"}, ErrorKind.RATE_LIMITED, "slow down", "rate limit"),
        (
            {"object": "error", "message": "bad", "type": "BadRequestError", "param": None, "code": 400},
            ErrorKind.BAD_REQUEST,
            "bad",
            "BadRequestError",
        ),
        (Frame('{"error":{"message":"boom","code":502}}', "error"), ErrorKind.SERVER, "boom", None),
        (Frame('{"message":"boom","type":"overloaded"}', "error"), ErrorKind.OVERLOADED, "boom", "overloaded"),
        (Frame("upstream went away", "error"), ErrorKind.SERVER, "upstream went away", None),
        (
            event(finish_reason="error", error={"code": 429, "message": "slow down"}),
            ErrorKind.RATE_LIMITED,
            "slow down",
            None,
        ),
        (
            {"error": {"message": "too long", "type": "exceed_context_size_error"}},
            ErrorKind.CONTEXT_OVERFLOW,
            "too long",
            "exceed_context_size_error",
        ),
    ],
)
def test_an_error_inside_the_stream_is_a_fault(failed, kind, message, code):
    """An error object is read in every dialect: under `error`, as the event itself, or under the event name `error`."""
    faults = [each for each in read(failed) if isinstance(each, Fault)]

    assert [(kind, message, code)] == [(fault.kind, fault.message, fault.code) for fault in faults]


def test_what_came_with_an_error_is_kept():
    """The usage that stands beside an error is told, and before it."""
    usage, fault = read({"usage": USED, "error": {"message": "boom"}})

    assert (Usage(TokenUsage(**TOLD)), "boom") == (usage, fault.message)


def test_an_answer_that_reached_its_limit_is_no_overflow():
    """Once the model is answering, a limit of tokens that the provider speaks of is the answer's, not the request's."""
    failed = {"error": {"code": 400, "message": "Token limit reached"}}
    (refused,) = read(failed)
    *_, cut_short = read(event({"content": "Hi"}), event({}, "length"), failed)[:-1]

    assert (ErrorKind.CONTEXT_OVERFLOW, ErrorKind.BAD_REQUEST) == (refused.kind, cut_short.kind)


# What fits into no shape.


@pytest.mark.parametrize(
    ("strange", "deltas"),
    [
        (event({"content": 5, "reasoning": "hm"}), [STRANGE, Thinking("hm")]),
        (event({"content": {"text": "Hi"}, "refusal": "No."}), [STRANGE, Refusal("No.")]),
        (event({"reasoning": {"text": "hm"}, "content": "Hi"}), [STRANGE, Text("Hi")]),
        (event({"content": "Hi"}, finish_reason=5), [STRANGE, Text("Hi")]),
        (event("Hi", "stop"), [STRANGE, STOP, Terminal()]),
        ({"choices": {"0": {}}, "model": "m"}, [STRANGE, ModelName("m")]),
        ({"choices": [5, event({"content": "Hi"})["choices"][0], None]}, [STRANGE, Text("Hi")]),
        ({"choices": [{"index": None, "delta": {"content": "Hi"}}]}, [STRANGE, Text("Hi")]),
        ({"choices": [{"index": "0", "delta": {"content": "Hi"}}]}, [STRANGE, Text("Hi")]),
        (event({"content": "Hi"}, model=5), [STRANGE, Text("Hi")]),
        (event({"content": "Hi"}, usage=5), [STRANGE, Text("Hi")]),
        (event(usage={"prompt_tokens": "10", "total_tokens": 15}), [STRANGE, Usage(TokenUsage(total_tokens=15))]),
        (event(usage=USED | {"prompt_tokens_details": [1]}), [STRANGE, Usage(TokenUsage(**TOLD))]),
        (event({"content": "Hi"}, error=["boom"]), [STRANGE, Text("Hi")]),
        (call(index="0", id="c"), [STRANGE, ToolCallFragment(id="c")]),
        (call(index=0, id=7, function={"name": "f"}), [STRANGE, ToolCallFragment(index=0, name="f")]),
        (call(function={"name": ["f"], "arguments": "{}"}), [STRANGE, ToolCallFragment(arguments="{}")]),
        (call(index=0, id="c", function={"arguments": [1]}), [STRANGE, ToolCallFragment(index=0, id="c")]),
        (call(index=0, id="c", function="f"), [STRANGE, ToolCallFragment(index=0, id="c")]),
        (event({"tool_calls": {"index": 0}, "content": "Hi"}), [STRANGE, Text("Hi")]),
        ('{"choices":[{"delta":{"content":"\\ud83d"}}]}', [STRANGE, Text("\ufffd")]),
        ('{"choices":[{"delta":{"content":"\\ud83d\\ude00"}}]}', [Text("😀")]),
        ('{"usage":{"prompt_tokens":NaN,"completion_tokens":5}}', [STRANGE, Usage(TokenUsage(output_tokens=5))]),
        ('{"usage":{"prompt_tokens":1e999,"completion_tokens":5}}', [STRANGE, Usage(TokenUsage(output_tokens=5))]),
    ],
)
def test_a_field_of_another_type_costs_that_field_and_no_more(strange, deltas):
    """What does not have its declared type is passed over and counted; all that stands beside it is read."""
    assert deltas == read(strange)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "event 2 is not valid JSON"),
        ("nonsense", "event 2 is not valid JSON"),
        ("[]", "event 2 is a JSON list, not an object"),
        ("5", "event 2 is a JSON int, not an object"),
        ('"text"', "event 2 is a JSON str, not an object"),
        ("null", "event 2 is a JSON NoneType, not an object"),
        ('{"created":' + "9" * 5000 + ',"model":NaN}', "event 2 is not valid JSON: a number has too many digits"),
        ('{"choices":' + "[" * 100_000, "event 2 is nested too deeply"),
        ('{"model":NaN,"x":' + "[" * 50_000 + "]" * 50_000 + "}", "event 2 is nested too deeply"),
    ],
)
def test_what_is_no_json_object_breaks_the_protocol(data, message):
    """An event that is no JSON object is a `ProtocolError` that says which event; what came before it is kept."""
    with pytest.raises(ProtocolError, match=message) as caught:
        read(event({"content": "Hi"}), data)

    assert [Text("Hi")] == list(caught.value.made)


@pytest.mark.parametrize("text", ['"Hi"', r'"\ud800"'], ids=["at once", "leniently"])
def test_no_depth_of_nesting_slips_through(text):
    """At every depth around the interpreter's limit, an event is read whole or is a `ProtocolError`."""
    for depth in range(sys.getrecursionlimit() - 150, sys.getrecursionlimit()):
        arguments = '{"a":' * depth + "1" + "}" * depth
        calls = f'[{{"function":{{"arguments":{arguments}}}}}]'
        try:
            deltas = read(f'{{"choices":[{{"delta":{{"content":{text},"tool_calls":{calls}}}}}]}}')
        except ProtocolError:
            continue

        assert arguments == deltas[-1].arguments


@pytest.mark.parametrize(
    ("data", "deltas"),
    [
        (json.dumps(event({"content": "Hi"}, "stop")), [STOP, Terminal()]),
        ('{"choices":[{"delta":{"content":"Hi', []),
        ("[DO", []),
        ("{", []),
    ],
)
def test_what_the_end_cut_off_counts_only_if_it_is_whole(data, deltas):
    """A last event without its blank line is read where its JSON is complete, and is no fault where it is not."""
    last = Frame(data, terminated=False)

    assert deltas == [each for each in read(event({"content": "a"}), last) if not isinstance(each, Text)]


# Any JSON at all.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object in which each field has its shape, another one, or is absent; or no object at all."""
    return st.fixed_dictionaries({}, optional={name: each | JSON for name, each in fields.items()}) | JSON


COUNTS = shaped(cached_tokens=st.integers(), reasoning_tokens=st.integers())
USAGE = shaped(prompt_tokens=st.integers(), prompt_tokens_details=COUNTS, completion_tokens_details=COUNTS)
PART = shaped(type=st.sampled_from(["text", "thinking"]), text=st.text(max_size=2), thinking=st.text(max_size=2))
ENTRY = shaped(
    type=st.sampled_from(["reasoning.text", "reasoning.encrypted"]),
    text=st.text(max_size=2),
    index=st.integers(),
    signature=st.text(max_size=2),
    data=st.text(max_size=2),
)
CALL = shaped(index=st.integers(), id=st.text(max_size=2), function=shaped(name=st.text(), arguments=JSON))
DELTA = shaped(
    content=st.text(max_size=2) | st.lists(PART, max_size=2),
    reasoning_content=st.text(max_size=2),
    reasoning_details=st.lists(ENTRY, max_size=2),
    refusal=st.text(max_size=2),
    tool_calls=st.lists(CALL, max_size=2),
)
CHOICE = shaped(index=st.integers(0, 1), delta=DELTA, finish_reason=st.sampled_from(["stop", ""]), usage=USAGE)
EVENT = shaped(
    choices=st.lists(CHOICE, max_size=2),
    usage=USAGE,
    error=shaped(message=JSON, code=st.sampled_from(["²", 400, "500"]), metadata=shaped(raw=JSON)),
    x_groq=shaped(usage=USAGE),
    object=st.sampled_from(["error", "chunk"]),
)


@given(st.lists(st.builds(Frame, EVENT.map(json.dumps), st.sampled_from(["", "error"]), st.booleans()), max_size=4))
@example([Frame('{"error":{"code":"²"}}')])
@example([Frame('{"error":{"code":"' + "9" * 5000 + '"}}')])
def test_any_json_gives_deltas_or_a_protocol_error(frames):
    """Whatever a server puts into the fields, deltas or a `ProtocolError` come out, and no text is empty."""
    try:
        deltas = run_inline(ChatDecoder(), [frames])
    except ProtocolError as error:
        deltas = list(error.made)

    assert [] == [each for each in deltas if isinstance(each, Text | Thinking | Refusal) and not each.text]
    assert all(each.message for each in deltas if isinstance(each, Fault))
    # No half of a surrogate pair is left, which nobody could print or send on.
    json.dumps([attrs.asdict(each) for each in deltas], ensure_ascii=False, default=str).encode()
