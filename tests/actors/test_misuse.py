"""A client or a stream that is used where it does not belong says so at once, in one plain exception; nothing hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from functools import partial

import pytest
import trio
from scripting import ANSWER, answers, config, open_scripted, text
from trio.testing import MockClock

import gestura
from gestura.transport.scripted import Hang, ScriptedTransport, Wait


async def ask(client: gestura.Client) -> str:
    return str(await client.ask("Hi"))


async def test_a_closed_client_is_of_no_use() -> None:
    """After the block of `open_client` every door is shut, by Trio's own exception for that."""
    async with open_scripted(answers(ANSWER)) as client:
        pass
    send, _receive = trio.open_memory_channel[gestura.StreamChunk](0)

    for door in (partial(client.ask, "Hi"), partial(client.stream_into, "Hi", send)):
        with pytest.raises(trio.ClosedResourceError, match="the client is closed"):
            await door()
    with pytest.raises(trio.ClosedResourceError, match="the client is closed"):
        async with client.stream("Hi"):
            pass


async def test_a_client_stays_in_its_own_run() -> None:
    """Another thread's `trio.run` is refused it; the stream that is open in its own goes on."""
    async with open_scripted(always_hello()) as client, client.stream("Hi") as stream:
        with pytest.raises(RuntimeError, match=r"a client belongs to the trio\.run that opened it"):
            await trio.to_thread.run_sync(trio.run, ask, client)

        assert "Hello" == str(await stream.collect())


def always_hello() -> ScriptedTransport:
    return ScriptedTransport(lambda _request: answers(ANSWER))


async def test_a_client_stays_in_its_own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fork copies of a client is refused."""
    async with open_scripted(answers(ANSWER)) as client:
        monkeypatch.setattr(os, "getpid", lambda: -1)

        with pytest.raises(RuntimeError, match="does not survive a fork"):
            await client.ask("Hi")


async def test_only_one_task_waits_for_chunks(autojump_clock: MockClock) -> None:
    """A second one would get every other chunk, so it gets an exception; the first one loses nothing."""
    got: list[gestura.StreamChunk] = []
    async with (
        open_scripted(answers(text("a"), Wait(1), text("b"), Wait(1), ANSWER)) as client,
        client.stream("Hi") as stream,
        trio.open_nursery() as nursery,
    ):

        async def read() -> None:
            got.extend([chunk async for chunk in stream])

        nursery.start_soon(read)
        await trio.sleep(0.5)
        with pytest.raises(trio.BusyResourceError, match="another task iterates"):
            await anext(stream)
        with pytest.raises(trio.BusyResourceError, match="another task iterates"):
            await stream.collect()

    assert "abHello" == "".join(chunk.text for chunk in got if isinstance(chunk, gestura.Text))
    assert isinstance(got[-1], gestura.Done)


async def test_whoever_was_cancelled_no_longer_iterates(autojump_clock: MockClock) -> None:
    """A wait that was given up stands in nobody's way."""
    async with open_scripted(answers(text("a"), Hang())) as client, client.stream("Hi") as stream:
        await anext(stream)
        for _ in range(2):
            with trio.move_on_after(1) as patience:
                await anext(stream)

            assert patience.cancelled_caught


def test_clients_in_several_threads_do_not_meet() -> None:
    """Each thread has a `trio.run` and a client of its own, and they all answer."""
    said: list[str] = []

    async def main() -> None:
        async with gestura.open_client(config(), transport=always_hello()) as client:
            said.extend([await ask(client) for _ in range(20)])

    threads = [threading.Thread(target=trio.run, args=(main,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ["Hello"] * 80 == said


def test_a_token_that_many_threads_use_ends_a_stream_once() -> None:
    """Threads cancel and pause it while it streams: it ends within the moment, once, and no thread sees an error."""
    errors: list[BaseException] = []

    async def main() -> gestura.Ending | None:
        token = gestura.CancellationToken()

        def strike() -> None:
            try:
                for _ in range(50):
                    token.pause()
                    token.cancel()
            except BaseException as error:  # noqa: BLE001  # told by the test
                errors.append(error)

        async with (
            open_scripted(answers(*[text("x")] * 500, Hang())) as client,
            client.stream("Hi", token=token) as stream,
            trio.open_nursery() as nursery,
        ):
            await anext(stream)
            for _ in range(4):
                nursery.start_soon(trio.to_thread.run_sync, strike)
            with trio.fail_after(10):
                endings = [chunk async for chunk in stream if isinstance(chunk, gestura.Ending)]
        [ending] = endings
        return ending

    for _ in range(20):
        assert isinstance(trio.run(main), gestura.Cancelled | gestura.Paused)
    assert [] == errors


PROGRAMS = {
    "in asyncio": (
        """
import asyncio, gestura

async def main():
    async with gestura.open_client(gestura.StreamingConfig()):
        pass

asyncio.run(main())
""",
        "RuntimeError: gestura runs on Trio: open a client inside trio.run",
    ),
    "in a forked process": (
        """
import os, trio, gestura

async def main():
    async with gestura.open_client(gestura.StreamingConfig(transport="thread")) as client:
        if os.fork():
            os.wait()
            return
        try:
            await client.ask("Hi")
        except RuntimeError as error:
            os.write(2, f"RuntimeError: {error}".encode())
        os._exit(0)

trio.run(main)
""",
        "RuntimeError: a client does not survive a fork: open one in the process that uses it",
    ),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a fork is a thing of Unix")
@pytest.mark.parametrize(("program", "words"), PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_that_misuses_a_client_is_told(program: str, words: str) -> None:
    """The last words of the program say what is wrong, and it ends."""
    # Newer Pythons warn of a fork, in the parent, which may come later than the words of the child.
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert done.stderr.strip().endswith(words)
