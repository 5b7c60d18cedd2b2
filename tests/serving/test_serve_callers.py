"""Who may ask, how much, and from where: keys, limits, hosts and origins."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from services import ask, asked, begin, events_of, serving, text_of

from gestura.chunks import Done, StreamChunk, Text
from gestura.errors import ConfigError
from gestura.relay import open_relay
from gestura.serve_settings import ServeSettings
from gestura.serving import open_server
from gestura.serving.callers import Callers, Rates
from gestura.serving.doors import admit
from gestura.serving.refused import Refused

pytestmark = pytest.mark.timeout(60)

ALICE, BOB = "alice-key-0123456789", "bob-key-0123456789"
KEYS = {"alice": ALICE, "bob": BOB}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/v1/streams/alice.x"])
@pytest.mark.parametrize(
    "authorization", [None, "Bearer ", "Bearer nobody", f"Basic {ALICE}", ALICE, f"Bearer {ALICE}x"]
)
async def test_without_a_key_nothing_is_told(path: str, authorization: str | None) -> None:
    """A missing key and a wrong one are refused with 401, whatever is asked for."""
    async with serving(ServeSettings(port=0, keys=KEYS)) as world:
        reply = await ask(world.port, "GET", path, headers={"Authorization": authorization} if authorization else {})

        assert (401, "Bearer", "invalid_api_key") == (
            reply.status,
            reply.headers["www-authenticate"],
            reply.json()["error"]["code"],
        )


async def test_health_and_the_page_need_no_key() -> None:
    """They tell nothing of anybody."""
    async with serving(ServeSettings(port=0, keys=KEYS)) as world:
        for path in ("/healthz", "/readyz", "/"):
            assert 200 == (await ask(world.port, "GET", path)).status


async def test_a_stream_belongs_to_the_key_that_made_it() -> None:
    """To another caller it is as if it did not exist; nobody can follow, cancel, pause or resume it."""
    async with serving(ServeSettings(port=0, keys=KEYS)) as world:
        stream_id = await begin(world.port, headers=bearer(ALICE))
        mine = await events_of(world.port, stream_id, **bearer(ALICE))

        assert isinstance(mine[-1].chunk, Done)
        for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume")):
            his = await ask(world.port, method, f"/v1/streams/{stream_id}{tail}", headers=bearer(BOB))
            none = await ask(world.port, method, "/v1/streams/bob.none" + tail, headers=bearer(BOB))
            assert (404, none.body) == (his.status, his.body)


async def test_a_program_publishes_for_a_caller() -> None:
    """A stream whose name begins with the caller's can be followed by that caller alone."""

    async def report() -> AsyncIterator[StreamChunk]:
        yield Text("All is well.")
        yield Done()

    async with serving(ServeSettings(port=0, keys=KEYS)) as world:
        for name in ("alice.report", "alicereport", "report"):
            async with world.relay.publish(name, report()):
                pass

        assert "All is well." == text_of(await events_of(world.port, "alice.report", **bearer(ALICE)))
        for name, key in (("alice.report", BOB), ("alicereport", ALICE), ("report", ALICE)):
            assert 404 == (await ask(world.port, "GET", f"/v1/streams/{name}", headers=bearer(key))).status


async def test_requests_a_minute_are_limited_for_each_caller() -> None:
    """The one after the last is refused with 429 and told when to come back; another caller has her own."""
    async with serving(ServeSettings(port=0, keys=KEYS, requests_per_minute=2)) as world:
        for _ in range(2):
            await begin(world.port, headers=bearer(ALICE))
        reply = await ask(world.port, "POST", "/v1/streams", {"prompt": "Hi"}, headers=bearer(ALICE))

        assert (429, "rate_limit_exceeded") == (reply.status, reply.json()["error"]["code"])
        assert 55 <= int(reply.headers["retry-after"]) <= 60
        await begin(world.port, headers=bearer(BOB))


async def test_streams_at_once_are_limited_for_each_caller() -> None:
    """One that has ended makes room, wherever it ran and whoever followed it."""
    async with serving(ServeSettings(port=0, keys=KEYS, max_concurrent_streams=1)) as world:
        first = await begin(world.port, model="long", headers=bearer(ALICE))
        chat = {"model": "hello", "messages": [{"role": "user", "content": "Hi"}]}
        for path, body in (("/v1/streams", {"prompt": "Hi"}), ("/v1/chat/completions", chat)):
            reply = await ask(world.port, "POST", path, body, headers=bearer(ALICE))
            assert (429, "too_many_streams") == (reply.status, reply.json()["error"]["code"])
        await begin(world.port, headers=bearer(BOB))
        await ask(world.port, "DELETE", f"/v1/streams/{first}", headers=bearer(ALICE))
        await events_of(world.port, first, **bearer(ALICE))

        await begin(world.port, headers=bearer(ALICE))


@given(st.integers(1, 5), st.lists(st.floats(0, 30), max_size=40))
def test_never_more_in_any_minute(most: int, gaps: list[float]) -> None:
    """However the requests are spread, no minute has more than the limit, and none is refused that would fit."""
    rates, now, let_in = Rates(most), 0.0, []
    for gap in gaps:
        now += gap
        recent = [each for each in let_in if each > now - 60]
        try:
            rates.count("alice", now)
        except Refused:
            assert most == len(recent)
        else:
            assert len(recent) < most
            let_in.append(now)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text("abc", min_size=1), min_size=1), st.data())
def test_a_key_is_known_whole(keys: dict[str, str], data: st.DataObject) -> None:
    """Exactly the keys there are let somebody in, and as whom they say."""
    presented = data.draw(st.sampled_from(list(keys.values())) | st.text("abc", min_size=1))
    callers = Callers(keys)
    try:
        assert presented == keys[callers.who(f"Bearer {presented}")]
    except Refused:
        assert presented not in keys.values()


OURS = ("127.0.0.1:8000", "localhost:8000", "[::1]:8000", "10.1.2.3", "LOCALHOST")
NOT_OURS = ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1", "a@b")


@pytest.mark.parametrize("host", OURS)
def test_addresses_and_localhost_are_ours(host: str) -> None:
    """A web page elsewhere can't have them as its own name."""
    admit({"Host": host}, ServeSettings())


@pytest.mark.parametrize("host", NOT_OURS)
def test_other_names_are_not(host: str) -> None:
    """A page whose name is made to point at this machine ("DNS rebinding") is refused, but for names that were told."""
    with pytest.raises(Refused):
        admit({"Host": host}, ServeSettings())
    with pytest.raises(Refused):
        admit({"Host": host}, ServeSettings(hosts=("chat.example.com",), keys=KEYS))


def test_names_that_were_told_are_ours() -> None:
    """With any port, in any case."""
    admit({"Host": "Chat.Example.com:443"}, ServeSettings(hosts=("chat.example.com",)))
    admit({"Host": "any.example.com"}, ServeSettings(keys=KEYS))


ELSEWHERE = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "http://localhost:8000.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)


@pytest.mark.parametrize("headers", ELSEWHERE)
async def test_pages_elsewhere_can_do_nothing(headers: dict[str, str]) -> None:
    """Neither with a form nor with a script: nothing is begun, and nothing is told that a browser would pass on."""
    async with serving() as world:
        stream_id = await begin(world.port)
        body = b'{"prompt": "Hi"}'
        for method, path in (("POST", "/v1/streams"), ("DELETE", f"/v1/streams/{stream_id}"), ("GET", "/v1/models")):
            reply = await ask(
                world.port,
                method,
                path,
                body if method == "POST" else None,
                headers={**headers, "Content-Type": "text/plain"},
            )
            assert 403 == reply.status
            assert not any(name.startswith("access-control") for name in reply.headers)
        assert 403 == (await ask(world.port, "OPTIONS", "/v1/streams", headers=headers)).status


async def test_a_page_of_our_own_may() -> None:
    """Its origin is the host that it asks."""
    async with serving() as world:
        headers = {"Origin": f"http://127.0.0.1:{world.port}", "Sec-Fetch-Site": "same-origin"}

        await begin(world.port, headers=headers)


async def test_origins_that_were_told_may() -> None:
    """The browser asks first, without a key, and is told what the page may do."""
    origin = "https://chat.example.com"
    async with serving(ServeSettings(port=0, origins=(origin,), keys=KEYS)) as world:
        asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        asking |= {"Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang"}
        first = await ask(world.port, "OPTIONS", "/v1/streams", headers=asking)

        assert (204, origin) == (first.status, first.headers["access-control-allow-origin"])
        assert "authorization,content-type,x-stainless-lang" == first.headers["access-control-allow-headers"]

        reply = await ask(
            world.port, "POST", "/v1/streams", {"prompt": "Hi"}, headers={"Origin": origin, **bearer(ALICE)}
        )

        assert (201, origin) == (reply.status, reply.headers["access-control-allow-origin"])


async def test_the_content_type_has_to_be_json() -> None:
    """A form of a page elsewhere can't send that without asking first."""
    async with serving() as world:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            reply = await ask(world.port, "POST", "/v1/streams", b'{"prompt": "Hi"}', headers={"Content-Type": kind})
            assert 415 == reply.status


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "chat.example.com"])
async def test_nobody_else_is_served_by_oversight(host: str) -> None:
    """An address that other machines reach needs keys, or to be allowed outright; the error says so."""
    async with open_relay() as relay:
        with pytest.raises(ConfigError, match="allow_anyone"):
            async with open_server(relay, None, ServeSettings(host=host)):
                pass

    ServeSettings(host=host, keys=KEYS).check_reach()
    ServeSettings(host=host, allow_anyone=True).check_reach()


async def test_keys_are_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in logs nor in answers nor by a repr, whatever goes wrong: the callers' keys and the provider's."""
    caplog.set_level(logging.DEBUG)
    settings = ServeSettings(port=0, keys=KEYS, redis_url=None)
    bodies = b""
    async with serving(settings) as world:
        for key in (ALICE, BOB, f"{ALICE}-wrong"):
            for method, path in (
                ("GET", "/metrics"),
                ("GET", "/v1/models"),
                ("GET", f"/{key}"),
                ("POST", "/v1/streams"),
            ):
                reply = await ask(
                    world.port, method, path, {"prompt": 1} if method == "POST" else None, headers=bearer(key)
                )
                bodies += reply.body if path != f"/{key}" else b""
        stream_id = await begin(world.port, headers=bearer(ALICE))
        bodies += stream_id.encode()
        async with asked(world.port, "GET", f"/v1/streams/{stream_id}", headers=bearer(ALICE)) as reply:
            bodies += (await reply.whole()).body

    shown = caplog.text + bodies.decode() + repr(settings)
    assert [] == [key for key in (ALICE, BOB, "provider-secret") if key in shown]


async def test_two_services_over_one_relay() -> None:
    """A stream that was begun at one is followed at the other, cancelled there, and is the same caller's there."""
    settings = ServeSettings(port=0, keys=KEYS)
    async with serving(settings) as world, open_server(world.relay, world.config, settings) as other:
        port = int(other.url.rpartition(":")[2])
        stream_id = await begin(world.port, model="long", headers=bearer(ALICE))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_later, port, stream_id)
            here = await events_of(world.port, stream_id, **bearer(ALICE))
        there = await events_of(port, stream_id, **bearer(ALICE))

        assert here == there
        assert "Cancelled" == type(there[-1].chunk).__name__
        assert 404 == (await ask(port, "GET", f"/v1/streams/{stream_id}", headers=bearer(BOB))).status


async def ask_later(port: int, stream_id: str) -> None:
    await trio.sleep(0.2)
    assert 202 == (await ask(port, "DELETE", f"/v1/streams/{stream_id}", headers=bearer(ALICE))).status
