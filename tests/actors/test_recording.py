"""A recording holds what passed over the wire, when, and no secret; played, it gives the same chunks again."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from scripting import DONE, FINISH, THRICE, delta, text
from strategies import cuts
from trio.testing import MockClock

import gestura
from gestura import CancellationToken, ConfigError, ProviderSettings, StreamChunk, StreamingConfig
from gestura.recorder import SecretHider
from gestura.recording import Recording, is_recording, read_recording
from gestura.testing import split
from gestura.transport import Transport
from gestura.transport.recording import playing_transport
from gestura.transport.scripted import Break, Hang, ScriptedExchange, ScriptedTransport, Wait

KEY = "sk-canary-0123456789"
ORGANISATION = "org-canary-9876"
CONFIG = StreamingConfig(
    primary="mine",
    providers={
        "mine": ProviderSettings(
            kind="openai_chat", model="m", api_key=KEY, headers={"X-Organisation": ORGANISATION}, base_url="https://a.b"
        )
    },
    retry=THRICE,
)
HELLO = [text("Hel"), Wait(2.0), text("lo"), FINISH, DONE]


async def record(
    path: Path, *exchanges: ScriptedExchange, token: CancellationToken | None = None
) -> tuple[list[StreamChunk], Recording]:
    async with (
        gestura.open_client(CONFIG, transport=ScriptedTransport(exchanges)) as client,
        client.stream("Hi", token=token, record=path) as stream,
    ):
        chunks = [chunk async for chunk in stream]
    return chunks, read_recording(path)


async def play(transport: Transport) -> tuple[list[StreamChunk], float]:
    began = trio.current_time()
    async with (
        gestura.open_client(CONFIG, transport=transport) as client,
        client.stream("Hi") as stream,
    ):
        return [chunk async for chunk in stream], trio.current_time() - began


PLAYS = [
    [ScriptedExchange(body=HELLO)],
    [ScriptedExchange(status=503, headers={"Retry-After": "7"}), ScriptedExchange(body=HELLO)],
    [ScriptedExchange(connecting=[Wait(1), Break("no route")]), ScriptedExchange(answering=[Wait(3)], body=HELLO)],
    [ScriptedExchange(body=[text("Hel"), Wait(1), Break("gone")])],
    [ScriptedExchange(body=[text("Hel")])],
    [ScriptedExchange(body=[b"data: {\xff\n\n"])],
]


@pytest.mark.parametrize("exchanges", PLAYS)
async def test_a_recording_plays_the_same_stream(
    exchanges: list[ScriptedExchange], tmp_path: Path, autojump_clock: MockClock
):
    """Retries, refusals, breaks and bytes that are no text included."""
    chunks, recording = await record(tmp_path / "it", *exchanges)
    again, _ = await play(playing_transport(recording))

    assert chunks == again


async def test_a_recording_has_no_more_than_it_has(tmp_path: Path, autojump_clock: MockClock):
    """Whoever asks more often than was recorded is told so."""
    _, recording = await record(tmp_path / "it", ScriptedExchange(body=HELLO))
    transport = playing_transport(recording)
    await play(transport)
    (error,), _ = await play(transport)

    assert isinstance(error, gestura.Error)
    assert "the recording has no other request to https://a.b/v1/chat/completions" in error.message


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 2.0), (4.0, 0.5), (None, 0.0)])
async def test_a_recording_plays_at_any_speed(
    speed: float | None, seconds: float, tmp_path: Path, autojump_clock: MockClock
):
    """As fast as it was, some times as fast, or without waiting."""
    _, recording = await record(tmp_path / "it", ScriptedExchange(body=HELLO))
    _, took = await play(playing_transport(recording, speed=speed))

    assert seconds == pytest.approx(took, abs=0.001)


async def test_each_event_has_its_time(tmp_path: Path, autojump_clock: MockClock):
    """Request, connection, head, reads and end, with the time that each took; the statistics come last."""
    exchange = ScriptedExchange(connecting=[Wait(1)], answering=[Wait(0.5)], body=HELLO)
    _, recording = await record(tmp_path / "it", exchange)
    times = [(event.name, event.at) for event in recording.events if event.name not in ("read", "stream")]
    reads = [event.at for event in recording.events if event.name == "read"]

    assert [("request", 0.0), ("connected", 1.0), ("response", 1.5)] == times[:3]
    assert "statistics" == times[-1][0]
    assert {1.5, 3.5} == set(reads)
    assert [1] == [event.fields["attempts"] for event in recording.events if event.name == "statistics"]


async def test_a_stream_is_recorded_with_what_it_went_by(tmp_path: Path, autojump_clock: MockClock):
    """Its configuration, without keys and headers; how it ended, and how long it took."""
    _, recording = await record(tmp_path / "it", ScriptedExchange(body=HELLO))
    (stream,) = recording.streams()
    shown = attrs.evolve(CONFIG.providers["mine"], api_key="", headers={})

    assert attrs.evolve(CONFIG, providers={"mine": shown}) == stream.config
    assert ("done", 2.0, recording.events) == (stream.ending, stream.seconds, stream.recording.events)


@gestura.tool
async def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"clear over {city}"


async def test_all_answers_of_a_turn_go_into_one_recording(tmp_path: Path, autojump_clock: MockClock):
    """One stream each, in their order."""
    call = {"index": 0, "id": "c", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
    asks = ScriptedExchange(body=[delta(tool_calls=[call]), Wait(1), delta("tool_calls"), DONE])
    transport = ScriptedTransport([asks, ScriptedExchange(body=HELLO)])
    async with (
        gestura.open_client(CONFIG, transport=transport) as client,
        client.run("Hi", tools=[get_weather], record=tmp_path / "it") as run,
    ):
        await run.collect()
    recording = read_recording(tmp_path / "it")

    assert [("done", 1.0), ("done", 2.0)] == [(stream.ending, stream.seconds) for stream in recording.streams()]
    assert [1, 1] == [len(stream.recording.exchanges()) for stream in recording.streams()]
    assert "clear over Oslo" in recording.exchanges()[1][0].fields["body"]


async def test_a_stream_that_was_left_says_so(tmp_path: Path, autojump_clock: MockClock):
    """Cancelled while the server was silent: what came is there, and that gestura closed."""
    token = CancellationToken()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_later, token)
        _, recording = await record(tmp_path / "it", ScriptedExchange(body=[text("Hel"), Hang()]), token=token)

    assert ["request", "connected", "response", "read", "closed"] == [event.name for event in recording.exchanges()[0]]
    assert ["cancelled"] == [stream.ending for stream in recording.streams()]


async def _cancel_later(token: CancellationToken) -> None:
    await trio.sleep(5)
    token.cancel()


async def test_no_secret_is_in_a_recording(tmp_path: Path, autojump_clock: MockClock):
    """Not from the request's headers, and not from a server that repeats the key, even cut in two."""
    said = text(f"Your key is {KEY}, of {ORGANISATION}.")
    middle = said.index(KEY.encode()) + 7
    exchange = ScriptedExchange(
        headers={"Set-Cookie": "session=abc", "Content-Type": "text/event-stream", "X-Echo": KEY},
        body=[said[:middle], Wait(1), said[middle:], FINISH, DONE],
    )
    _, recording = await record(tmp_path / "it", exchange)
    written = (tmp_path / "it").read_text()
    head = recording.exchanges()[0][2].fields["headers"]
    reads = [event.fields["data"] for event in recording.events if event.name == "read"]

    assert KEY not in written
    assert ORGANISATION not in written
    assert {"Set-Cookie": "[hidden]", "Content-Type": "text/event-stream", "X-Echo": "[hidden]"} == head
    assert "Your key is [hidden], of [hidden]." in b"".join(reads).decode()
    assert 0o600 == (tmp_path / "it").stat().st_mode & 0o777


@given(st.text("abx", max_size=30), cuts())
def test_where_bytes_are_cut_hides_nothing_less(words: str, where: tuple[int, ...]):
    """A secret is found whole or in pieces, and nothing else is lost."""
    secret = b"aab"
    hider = SecretHider([secret])
    hidden = b"".join([*map(hider.feed, split(words.encode(), where)), hider.close()])

    assert secret not in hidden
    assert words.encode() == hidden.replace(b"[hidden]", secret)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("", " no recording: `gestura ask --record FILE` makes one"),
        ("data: hello", " no recording: `gestura ask --record FILE` makes one"),
        ('{"recording": 2, "gestura": "9"}', " a recording of format 2; this gestura reads 1"),
        ('{"recording": 1, "gestura": "0"}\n{"at": 0}', "2: not a line of a recording"),
        ('{"recording": 1, "gestura": "0"}\n{"at": "0", "event": "end"}', "2: not a line of a recording"),
        (
            '{"recording": 1, "gestura": "0"}\n{"at": 0, "event": "read", "base64": "?"}',
            "2: not a line of a recording",
        ),
    ],
)
def test_what_is_no_recording_is_refused(lines: str, problem: str, tmp_path: Path):
    """With the line where it stops being one."""
    path = tmp_path / "it"
    path.write_text(lines)

    with pytest.raises(ConfigError) as caught:
        read_recording(path)

    assert str(caught.value).startswith(f"{path}:{problem}")


async def test_a_recording_is_told_from_a_body_by_its_beginning(tmp_path: Path, autojump_clock: MockClock):
    """So `gestura replay` takes both."""
    await record(tmp_path / "it", ScriptedExchange(body=HELLO))

    assert is_recording((tmp_path / "it").read_bytes()[:100])
    assert not is_recording(text("Hel"))
