"""The doors to the simulator: a context manager for Trio, one that blocks, and a call for a command.

aiohttp is asyncio's, so behind the first two the server has a thread and an asyncio loop of its own: the program under
test can block, crash or be cancelled without the provider it talks to noticing, as in life. The loop is made by name
and not by policy, because trio-asyncio installs a policy for the whole process.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import trio

from gestura.simulator.scenario import Scenario
from gestura.simulator.scenario_files import built_in_scenarios
from gestura.simulator.server import Simulator, serving

__all__ = ["open_simulator", "run", "simulator_in_thread"]


@asynccontextmanager
async def open_simulator(scenarios: Iterable[Scenario] | None = None, *, port: int = 0) -> AsyncIterator[Simulator]:
    """A simulator that serves for the length of the block, in a thread.

    Leaving the block, by any door, ends all answers, closes the port and joins the thread; this is not cancellable and
    does not wait for clients.

    Args:
        scenarios: what to answer; the built-in ones by default.
        port: on 127.0.0.1; 0 picks a free one.

    Raises:
        OSError: the port can't be had.
    """
    server = _ServerThread(_or_built_in(scenarios), port)
    simulator = await trio.to_thread.run_sync(server.start)
    try:
        yield simulator
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(server.stop)


@contextmanager
def simulator_in_thread(scenarios: Iterable[Scenario] | None = None, *, port: int = 0) -> Iterator[Simulator]:
    """`open_simulator` for tests without an event loop: entering and leaving block, for some milliseconds."""
    server = _ServerThread(_or_built_in(scenarios), port)
    simulator = server.start()
    try:
        yield simulator
    finally:
        server.stop()


def run(
    scenarios: Iterable[Scenario] | None = None,
    *,
    port: int = 0,
    otherwise: str | None = None,
    announce: Callable[[Simulator], None],
) -> None:
    """Serve until Ctrl-C, which ends it without an exception.

    Args:
        scenarios: what to answer; the built-in ones by default.
        port: on 127.0.0.1; 0 picks a free one.
        otherwise: the model whose scenario is that of every model without one; `None` refuses to answer for those.
        announce: called once the simulator listens, to tell its `url`.

    Raises:
        OSError: the port can't be had.
    """

    async def serve() -> None:
        async with serving(_or_built_in(scenarios), port, otherwise=otherwise) as simulator:
            announce(simulator)
            await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(serve())


class _ServerThread:
    """The server in a thread. Both methods block until done."""

    def __init__(self, scenarios: Iterable[Scenario], port: int) -> None:
        self._scenarios = scenarios
        self._port = port
        self._started: Future[tuple[Simulator, Callable[[], object]]] = Future()
        self._thread = threading.Thread(target=self._run, name="gestura simulator", daemon=True)

    def start(self) -> Simulator:
        self._thread.start()
        try:
            simulator, self._ask_to_stop = self._started.result()
        except BaseException:
            self._thread.join()
            raise
        return simulator

    def stop(self) -> None:
        self._ask_to_stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve())
        except Exception as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with serving(self._scenarios, self._port) as simulator:
            self._started.set_result((simulator, partial(loop.call_soon_threadsafe, stop.set)))
            await stop.wait()


def _or_built_in(scenarios: Iterable[Scenario] | None) -> Iterable[Scenario]:
    return built_in_scenarios() if scenarios is None else scenarios
