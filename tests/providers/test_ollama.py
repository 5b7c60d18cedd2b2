"""Ollama: where it is, what is asked, and what is made of every line that it and its imitators answer with."""

from __future__ import annotations

import itertools
import json
import uuid
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ConfigError, ErrorKind, Fault, ProtocolError
from gestura.limits import Limits
from gestura.messages import assistant, user
from gestura.providers import BUILTIN_PROVIDERS
from gestura.providers.endpoints import endpoint_url
from gestura.providers.ollama import FINISH_REASONS, Ollama, OllamaDecoder, ollama_base_url
from gestura.request_options import Sampling, Tool
from gestura.simulator.scenario import Comment, Scenario, Sending, StreamError, ToolCall
from gestura.simulator.voices.ollama import OllamaVoice
from gestura.stages.deltas import Anomaly, Finish, Frame, ModelName, Oddity, Terminal, ToolCallFragment, Usage
from gestura.stages.ndjson import NdjsonFramer
from gestura.testing import run_inline
from gestura.usage import TokenUsage

KEY = "canary-0123456789"
STRANGE, UNKNOWN = Anomaly(Oddity.UNEXPECTED_SHAPE), Anomaly(Oddity.UNKNOWN_EVENT)
STOP = Finish(FinishReason.STOP, "stop")

# Where it is.


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("", "http://127.0.0.1:11434"),
        (" \t", "http://127.0.0.1:11434"),
        ("gpu-box", "http://gpu-box:11434"),
        ('"gpu-box"', "http://gpu-box:11434"),
        ("gpu-box:8080", "http://gpu-box:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("10.0.0.7:08080", "http://10.0.0.7:8080"),
        ("http://gpu-box", "http://gpu-box:80"),
        ("https://gpu-box", "https://gpu-box:443"),
        ("https://gpu-box:8443/", "https://gpu-box:8443"),
        ("ollama.com", "https://ollama.com:443"),
        ("https://ollama.com", "https://ollama.com:443"),
        ("gpu-box/ollama/", "http://gpu-box:11434/ollama"),
        ("https://gpu-box/a/b?c=d", "https://gpu-box:443/a/b?c=d"),
        ("gpu-box:port", "http://gpu-box:11434"),
        ("gpu-box:65536", "http://gpu-box:11434"),
        ("gpu-box:-1", "http://gpu-box:11434"),
        ("gpu-box:²", "http://gpu-box:11434"),
        ("https://gpu-box:" + "9" * 5000, "https://gpu-box:443"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("http://0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("[::]", "http://[::1]:11434"),
        ("https://[2001:db8::7]", "https://[2001:db8::7]:443"),
        ("ftp://gpu-box", "ftp://gpu-box:11434"),
        ("user:s3cret@gpu-box", "http://user:s3cret@gpu-box:11434"),
    ],
)
def test_ollama_host_has_many_forms(host, base_url):
    """Scheme, host, port and path are what they are to Ollama's own programs, with every part's default."""
    assert base_url == ollama_base_url(host)


ADDRESSES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "http://", "https://", "HTTPS://", "ftp://"]),
        st.sampled_from(["", "h", "ollama.com", "0.0.0.0", "[::]", "::1", "u:p@h", "[::1", "é"]),
        st.sampled_from(["", ":", ":0", ":7", ":70000", ":x"]),
        st.sampled_from(["", "/", "/p", "/p/", "?q", "#f", "//"]),
    ),
)


@given(ADDRESSES | st.text())
def test_any_host_is_an_endpoint_or_a_mistake(host):
    """Whatever a host is, its base URL leads to an endpoint, and is its own base URL; or it is a `ConfigError`."""
    base_url = ollama_base_url(host)
    try:
        url = endpoint_url(base_url, "", "api/chat", sends_secrets=False)
    except ConfigError:
        return

    assert base_url == ollama_base_url(base_url)
    assert url.startswith(("http://", "https://"))


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (None, "http://127.0.0.1:11434/api/chat"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080/api/chat"),
        ("http://192.168.0.9:11434", "http://192.168.0.9:11434/api/chat"),
        ("https://models.example/ollama/", "https://models.example:443/ollama/api/chat"),
    ],
)
def test_it_posts_to_the_endpoint_below_the_base_url(base_url, url):
    """`api/chat` stands below the base URL, which may be anything that `OLLAMA_HOST` may be."""
    request = asked(base_url=base_url)

    assert ("POST", url) == (request.method, request.url)


@pytest.mark.parametrize("secret", [{"api_key": KEY}, {"headers": {"X-Key": KEY}}])
def test_a_secret_does_not_go_to_another_machine_in_the_clear(secret):
    """A server in the local network may be asked over plain HTTP, but not with a key or a header that may be one."""
    with pytest.raises(ConfigError, match="in the clear") as caught:
        asked(base_url="http://192.168.0.9:11434", **secret)

    assert KEY not in str(caught.value)
    assert asked(base_url="https://192.168.0.9", **secret).url


# How it asks.


def asked(request: Request | None = None, **settings: Any):
    settings = {"kind": "ollama", "model": "m"} | settings
    return Ollama(ProviderSettings(**settings)).ask(request or Request.of("Hi"))


def body_of(think: bool | None = None, **fields: Any) -> dict[str, Any]:
    return json.loads(asked(Request(messages=(user("Hi"),), **fields), think=think).body)


BARE = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, {}),
        ({"sampling": Sampling(temperature=0.0)}, {"options": {"temperature": 0.0}}),
        ({"sampling": Sampling(top_p=0.5)}, {"options": {"top_p": 0.5}}),
        ({"sampling": Sampling(max_output_tokens=7)}, {"options": {"num_predict": 7}}),
        ({"sampling": Sampling(seed=0, stop=("a", "b"))}, {"options": {"seed": 0, "stop": ["a", "b"]}}),
        ({"sampling": Sampling(stop=())}, {}),
        ({"think": True}, {"think": True}),
        ({"think": False}, {"think": False}),
        ({"think": True, "extra": {"think": "high"}}, {"think": "high"}),
        ({"extra": {"keep_alive": "1m", "format": "json"}}, {"keep_alive": "1m", "format": "json"}),
        ({"extra": {"options": {"num_ctx": 8192}}}, {"options": {"num_ctx": 8192}}),
        (
            {"sampling": Sampling(seed=1, top_p=0.5), "extra": {"options": {"num_ctx": 8192, "seed": 2}}},
            {"options": {"seed": 2, "top_p": 0.5, "num_ctx": 8192}},
        ),
        ({"sampling": Sampling(seed=1), "extra": {"options": None}}, {"options": None}),
    ],
)
def test_nothing_is_sent_that_was_not_asked_for(fields, sent):
    """The body has the model, the messages and the wish to stream; options, thinking and extra fields as far as told.

    Extra options stand beside those of the sampling, and win over them as every extra field does.
    """
    assert BARE | sent == body_of(**fields)


def test_a_conversation_keeps_its_order_below_the_system_prompt():
    """System instructions stand first, then the messages, oldest first."""
    request = Request(messages=(user("a"), assistant("b"), user("c")), system="s")

    assert [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c")] == [
        (message["role"], message["content"]) for message in json.loads(asked(request).body)["messages"]
    ]


def test_tools_are_described_as_to_openai():
    """With tools, the body has their schemas; Ollama knows no `tool_choice`."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    function = {"name": "weather", "description": "The weather.", "parameters": schema}

    assert BARE | {"tools": [{"type": "function", "function": function}]} == body_of(
        tools=(Tool(name="weather", description="The weather.", parameters=schema),)
    )


def test_the_key_goes_into_one_header_and_nowhere_else():
    """A key (ollama.com asks for one) is the bearer token; the URL, the body and every `repr` are free of it."""
    request = asked(api_key=KEY)

    assert f"Bearer {KEY}" == request.headers["Authorization"]
    assert [] == [name for name, value in request.headers.items() if KEY in value and name != "Authorization"]
    assert KEY not in repr(request) + request.url + request.body.decode()


def test_headers_of_the_settings_are_sent():
    """Further headers go along and win; without a key there is no `Authorization`."""
    headers = asked(headers={"Accept": "*/*", "X-Team": "a"}).headers

    assert {"Content-Type": "application/json", "Accept": "*/*", "X-Team": "a"} == headers


def test_it_is_built_in():
    """Settings of the kind `ollama` make this provider, with words for the time in which the model loads."""
    provider = BUILTIN_PROVIDERS["ollama"](ProviderSettings(kind="ollama", model="llama3.2"))

    assert isinstance(provider, Ollama)
    assert [
        "Connected to Ollama — loading model 'llama3.2'…",
        "Loading model 'llama3.2'…",
        "Working… (model 'llama3.2')",
    ] == [*attrs.astuple(provider.waiting_words)]


# How it reads.


def said(done: Any = False, **message: Any) -> dict[str, Any]:
    """A line of an answer with this message."""
    return {"created_at": "2023-12-12T14:13:43.4Z", "message": {"role": "assistant", **message}, "done": done}


def end(done_reason: Any = "stop", **fields: Any) -> dict[str, Any]:
    return said(done=True, content="") | {"done_reason": done_reason} | fields


def read(*lines: Any) -> list[Any]:
    """What a decoder makes of these lines; strings and frames stand for themselves. Missing ids are numbered."""
    frames = [
        each if isinstance(each, Frame) else Frame(each if isinstance(each, str) else json.dumps(each))
        for each in lines
    ]
    return run_inline(OllamaDecoder(itertools.count().__next__), [frames])


@pytest.mark.parametrize(
    ("message", "deltas"),
    [
        ({"content": "Hi"}, [Text("Hi")]),
        ({"content": ""}, []),
        ({"content": None}, []),
        ({}, []),
        ({"content": "", "thinking": "hm"}, [Thinking("hm")]),
        ({"content": "", "reasoning_content": "hm"}, [Thinking("hm")]),
        ({"thinking": "hm", "reasoning_content": "hm"}, [Thinking("hm")]),
        ({"thinking": "", "content": "Hi"}, [Text("Hi")]),
        ({"thinking": "hm", "content": "Hi"}, [Thinking("hm"), Text("Hi")]),
        ({"content": "Hi", "images": None, "unknown": [1]}, [Text("Hi")]),
    ],
)
def test_text_and_thinking_are_read(message, deltas):
    """Text and reasoning are read from the message, reasoning first; nothing empty is told."""
    assert deltas == read(said(**message))


def fragment(index: int, name: str | None, arguments: str, **fields: Any) -> ToolCallFragment:
    fields = {"id": f"ollama-tool-{index}"} | fields
    return ToolCallFragment(index=index, name=name, arguments=arguments, complete=True, **fields)


@pytest.mark.parametrize(
    ("calls", "fragments"),
    [
        ([{"function": {"name": "f", "arguments": {"a": 1}}}], [fragment(0, "f", '{"a":1}')]),
        ([{"function": {"name": "f", "arguments": {}}}], [fragment(0, "f", "{}")]),
        ([{"function": {"name": "f", "arguments": '{"a": 1}'}}], [fragment(0, "f", '{"a": 1}')]),
        ([{"function": {"name": "f", "arguments": ""}}], [fragment(0, "f", "")]),
        ([{"function": {"name": "f", "arguments": None}}], [fragment(0, "f", "")]),
        ([{"function": {"name": "f"}}], [fragment(0, "f", "")]),
        ([{"id": "call_1", "function": {"name": "f", "arguments": {}}}], [fragment(0, "f", "{}", id="call_1")]),
        ([{"id": "", "function": {"name": "f", "arguments": {}}}], [fragment(0, "f", "{}")]),
        (
            [{"function": {"name": "f", "arguments": {"city": "Łódź", "n": 10**30}}}],
            [fragment(0, "f", '{"city":"Łódź","n":1000000000000000000000000000000}')],
        ),
        (
            [{"function": {"index": 3, "name": "f", "arguments": {}}}, {"function": {"name": "g", "arguments": {}}}],
            [fragment(0, "f", "{}"), fragment(1, "g", "{}")],
        ),
        ([{"function": None}], [fragment(0, None, "")]),
        ([], []),
        (None, []),
    ],
)
def test_tool_calls_come_whole(calls, fragments):
    """Each call is complete in its line, has an id, and arguments as JSON text; the wire's index counts for nothing."""
    assert fragments == read(said(tool_calls=calls))


def test_calls_are_numbered_over_all_lines():
    """Calls in one line and in several are told apart, whatever their lines say of their index."""
    one, other = ({"function": {"index": 0, "name": name, "arguments": {}}} for name in "fg")

    assert [fragment(0, "f", "{}"), fragment(1, "g", "{}"), Text("Hi"), fragment(2, "f", "{}")] == read(
        said(tool_calls=[one, other]), said(content="Hi"), said(tool_calls=[one])
    )


def test_a_missing_id_is_random():
    """Calls without an id get one that no other call of the conversation has: `ollama-tool-` and a random UUID."""
    line = Frame(json.dumps(said(tool_calls=[{"function": {"name": "f", "arguments": {}}}])))
    ids = [delta.id for delta in OllamaDecoder().feed([line, line])]

    assert [4, 4] == [uuid.UUID(each.removeprefix("ollama-tool-")).version for each in ids]
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (
            {"prompt_eval_count": 10, "eval_count": 5},
            [Usage(TokenUsage(input_tokens=10, output_tokens=5, total_tokens=15))],
        ),
        (
            {"prompt_eval_count": 0, "eval_count": 0},
            [Usage(TokenUsage(input_tokens=0, output_tokens=0, total_tokens=0))],
        ),
        ({"eval_count": 5}, [Usage(TokenUsage(output_tokens=5))]),
        ({"prompt_eval_count": 10, "eval_count": None}, [Usage(TokenUsage(input_tokens=10))]),
        ({"total_duration": 2_000_000_000, "load_duration": 1}, []),
        ({}, []),
    ],
)
def test_counts_come_with_the_last_line(counts, told):
    """Tokens of the prompt and of the answer are read, and added up where both are told; untold is not zero."""
    assert [*told, STOP, Terminal()] == read(end(**counts))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        *FINISH_REASONS.items(),
        ("STOP", FinishReason.STOP),
        ("context_shift", FinishReason.OTHER),
    ],
)
def test_finish_reasons_are_translated_and_kept(word, reason):
    """Every word for why the model stopped has gestura's term beside it, and an unknown one is `OTHER`."""
    assert [Finish(reason, word), Terminal()] == read(end(word))


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("stop", Finish(FinishReason.TOOL_CALLS, "stop")),
        (None, Finish(FinishReason.TOOL_CALLS)),
        ("length", Finish(FinishReason.LENGTH, "length")),
    ],
)
def test_a_model_that_calls_tools_waits_for_them(word, finish):
    """Ollama says "stop" after tool calls, too; it is told as what it is, and the word is kept."""
    call = said(tool_calls=[{"id": "c", "function": {"name": "f", "arguments": {}}}])

    assert [fragment(0, "f", "{}", id="c"), finish, Terminal()] == read(call, end(word))


@pytest.mark.parametrize(
    ("lines", "deltas"),
    [
        ([end()], [STOP, Terminal()]),
        ([end(None)], [Terminal()]),
        ([end("")], [Terminal()]),
        ([{"done": True}], [Terminal()]),
        ([said(content="Hi"), end()], [Text("Hi"), STOP, Terminal()]),
        ([said(done=True, content="Hi")], [Text("Hi"), Terminal()]),
        ([end(), said(content="late"), {"error": "late"}, end()], [STOP, Terminal()]),
        ([said(content="Hi")], [Text("Hi")]),
        ([said(content="Hi") | {"done_reason": "stop"}], [Text("Hi")]),
        ([], []),
    ],
)
def test_an_answer_is_complete_when_it_says_so(lines, deltas):
    """`"done": true` ends an answer, once, and nothing after it is read; the end of the input alone does not."""
    assert deltas == read(*lines)


def test_the_model_is_told_when_it_changes():
    """The model's name is told once, and again when another one goes on."""
    assert [ModelName("a"), ModelName("b")] == read(*(said() | {"model": name} for name in ("", "a", "a", None, "b")))


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        ("an error was encountered while running the model", ErrorKind.SERVER, "an error was encountered"),
        ("server busy, please try again.  maximum pending requests exceeded", ErrorKind.SERVER, "server busy"),
        ("the input length exceeds the context length", ErrorKind.CONTEXT_OVERFLOW, "context length"),
        ({"message": "Too many requests", "code": 429}, ErrorKind.RATE_LIMITED, "Too many requests"),
    ],
)
def test_an_error_among_the_lines_is_a_fault(error, kind, message):
    """An error line is a fault in the server's words, and what came before it stands."""
    text, fault = read(said(content="Hi"), {"error": error})

    assert isinstance(fault, Fault)
    assert (kind, Text("Hi")) == (fault.kind, text)
    assert message in fault.message


@pytest.mark.parametrize("line", [{}, {"status": "loading"}, {"response": "Hi", "done": False}, {"error": None}])
def test_unknown_lines_are_counted(line):
    """A line that has neither a message, nor an error, nor the end, is passed over and counted."""
    assert [UNKNOWN, Text("Hi")] == read(line, said(content="Hi"))


# What fits into no shape.


@pytest.mark.parametrize(
    ("strange", "deltas"),
    [
        (said(content=5, thinking="hm"), [STRANGE, Thinking("hm")]),
        (said(content=["Hi"], tool_calls=[]), [STRANGE]),
        (said(thinking=True, content="Hi"), [STRANGE, Text("Hi")]),
        ({"message": "Hi", "done": False}, [STRANGE]),
        (said(content="Hi") | {"model": 5}, [STRANGE, Text("Hi")]),
        (said(content="Hi", done="yes"), [STRANGE, Text("Hi")]),
        (said(content="Hi") | {"error": ["boom"]}, [STRANGE, Text("Hi")]),
        (end(5), [STRANGE, Terminal()]),
        (end(eval_count="5", prompt_eval_count=1), [STRANGE, Usage(TokenUsage(input_tokens=1)), STOP, Terminal()]),
        (said(tool_calls={"function": {}}, content="Hi"), [STRANGE, Text("Hi")]),
        (said(tool_calls=[5, {"function": {"name": "f", "arguments": {}}}]), [STRANGE, fragment(0, "f", "{}")]),
        (said(tool_calls=[{"id": 7, "function": {"name": "f", "arguments": [1]}}]), [STRANGE, fragment(0, "f", "")]),
        (said(tool_calls=[{"function": {"name": ["f"], "arguments": "{}"}}]), [STRANGE, fragment(0, None, "{}")]),
        ('{"message":{"content":"\\ud83d"}}', [STRANGE, Text("\ufffd")]),
        ('{"message":{"content":"\\ud83d\\ude00"}}', [Text("😀")]),
        ('{"message":{"content":"Hi"},"eval_count":NaN}', [STRANGE, Text("Hi")]),
    ],
)
def test_a_field_of_another_type_costs_that_field_and_no_more(strange, deltas):
    """What does not have its declared type is passed over and counted; all that stands beside it is read."""
    assert deltas == read(strange)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "event 2 is not valid JSON"),
        ("data: {}", "event 2 is not valid JSON"),
        ("[]", "event 2 is a JSON list, not an object"),
        ("null", "event 2 is a JSON NoneType, not an object"),
        ('{"message":' + "[" * 100_000, "event 2 is nested too deeply"),
    ],
)
def test_what_is_no_json_object_breaks_the_protocol(data, message):
    """A line that is no JSON object is a `ProtocolError` that says which; what came before it is kept."""
    with pytest.raises(ProtocolError, match=message) as caught:
        read(said(content="Hi"), data, end())

    assert [Text("Hi")] == list(caught.value.made)


@pytest.mark.parametrize(
    ("data", "deltas"),
    [
        (json.dumps(end()), [STOP, Terminal()]),
        (json.dumps(end())[:-1], []),
        ("{", []),
    ],
)
def test_what_the_end_cut_off_counts_only_if_it_is_whole(data, deltas):
    """A last line without its line end is read where its JSON is complete, and is no fault where it is not."""
    assert [Text("Hi"), *deltas] == read(said(content="Hi"), Frame(data, terminated=False))


# Any JSON at all.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object in which each field has its shape, another one, or is absent; or no object at all."""
    return st.fixed_dictionaries({}, optional={name: each | JSON for name, each in fields.items()}) | JSON


CALL = shaped(id=st.text(max_size=2), function=shaped(name=st.text(max_size=2), arguments=JSON))
MESSAGE = shaped(
    content=st.text(max_size=2),
    thinking=st.text(max_size=2),
    reasoning_content=st.text(max_size=2),
    tool_calls=st.lists(CALL, max_size=2),
)
LINE = shaped(
    model=st.text(max_size=2),
    message=MESSAGE,
    done=st.booleans(),
    done_reason=st.sampled_from(["stop", "length", ""]),
    prompt_eval_count=st.integers(),
    eval_count=st.integers(),
    error=st.text(max_size=2) | shaped(message=JSON, code=st.integers(400, 599)),
)


@given(st.lists(st.builds(Frame, LINE.map(json.dumps), st.just(""), st.booleans()), max_size=4))
@example([Frame('{"error":{"code":"²"}}')])
def test_any_json_gives_deltas_or_a_protocol_error(frames):
    """Whatever the fields hold, deltas or a `ProtocolError` come out; no text is empty, and only the last is an end."""
    try:
        deltas = run_inline(OllamaDecoder(), [frames])
    except ProtocolError as error:
        deltas = list(error.made)

    assert [] == [each for each in deltas if isinstance(each, Text | Thinking) and not each.text]
    assert [] == [each for each in deltas[:-1] if isinstance(each, Terminal)]
    assert all(each.message for each in deltas if isinstance(each, Fault))
    calls = [each for each in deltas if isinstance(each, ToolCallFragment)]
    assert [(index, True) for index in range(len(calls))] == [(call.index, call.complete) for call in calls]
    # No half of a surrogate pair is left, which nobody could print or send on.
    json.dumps([attrs.asdict(each) for each in deltas], ensure_ascii=False, default=str).encode()


# What the simulator says.

counts = st.none() | st.integers(0, 10**9)
ARGUMENTS = st.dictionaries(st.text(), st.text() | st.integers() | st.none()).map(json.dumps)
steps = st.one_of(
    st.builds(Thinking, st.text()),
    st.builds(Text, st.text()),
    st.builds(Refusal, st.text()),
    st.builds(ToolCall, st.text(min_size=1), st.text(min_size=1), ARGUMENTS | st.text()),
    st.builds(Comment, st.text()),
)
scenarios = st.builds(
    Scenario,
    model=st.text(min_size=1),
    steps=st.lists(steps).map(tuple),
    finish=st.sampled_from([FinishReason.STOP, FinishReason.LENGTH, FinishReason.UNKNOWN]),
    usage=st.builds(TokenUsage, input_tokens=counts, output_tokens=counts),
    sending=st.builds(Sending, characters_per_event=st.none() | st.integers(1, 9)),
)


def heard(scenario: Scenario) -> list[Any]:
    framer, decoder = NdjsonFramer(Limits()), OllamaDecoder()
    frames = run_inline(framer, [OllamaVoice().render(scenario, {})])
    return run_inline(decoder, [frames])


def value(arguments: str) -> Any:
    """Arguments as JSON means them; as they are where they are no JSON."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


@given(scenarios)
@example(Scenario(model="m", steps=(ToolCall("c", "f", "[]"), ToolCall("c", "f", "{")), usage=TokenUsage()))
def test_what_the_voice_says_is_what_the_decoder_hears(scenario):
    """Text, thinking, tool calls, finish reason, usage, model and the end are decoded as they were meant.

    A refusal is text to Ollama, and an answer with tool calls waits for them.
    """
    deltas = heard(scenario)

    def told(*kinds):
        return "".join(delta.text for delta in deltas if isinstance(delta, kinds))

    def meant(*kinds):
        return "".join(step.text for step in scenario.steps if isinstance(step, kinds))

    assert (meant(Thinking), meant(Text, Refusal)) == (told(Thinking), told(Text))
    calls = [step for step in scenario.steps if isinstance(step, ToolCall)]
    assert [(call.id, call.name, value(call.arguments)) for call in calls] == [
        (each.id, each.name, value(each.arguments)) for each in deltas if isinstance(each, ToolCallFragment)
    ]
    waits = calls and scenario.finish is not FinishReason.LENGTH
    finish = FinishReason.TOOL_CALLS if waits else scenario.finish
    assert [finish] == ([each.reason for each in deltas if isinstance(each, Finish)] or [FinishReason.UNKNOWN])
    usage = scenario.usage
    both = None not in (usage.input_tokens, usage.output_tokens)
    total = usage.input_tokens + usage.output_tokens if both else None
    assert [attrs.evolve(usage, total_tokens=total)] == (
        [each.usage for each in deltas if isinstance(each, Usage)] or [TokenUsage()]
    )
    assert [scenario.model] == [each.model for each in deltas if isinstance(each, ModelName)]
    assert isinstance(deltas[-1], Terminal)
    assert [] == [each for each in deltas if isinstance(each, Anomaly | Fault)]


def test_the_voice_fails_as_ollama_does():
    """An error is a line of its own, told as a fault; without the end marker there is no last line, and no end."""
    failing = Scenario(model="m", steps=(Text("Hi"), StreamError("boom", "server_error", "x")))
    cut_short = Scenario(model="m", steps=(Text("Hi"),), end_marker=False)

    assert [ModelName("m"), Text("Hi"), Fault(kind=ErrorKind.SERVER, message="boom")] == heard(failing)
    assert [ModelName("m"), Text("Hi")] == heard(cut_short)
    assert {"error": "model 'm' not found"} == json.loads(OllamaVoice().error(404, "model 'm' not found", "x"))
