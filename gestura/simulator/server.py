"""The HTTP server: finds the voice by path and the scenario by model, then sends what they make of each other.

It listens on loopback only, speaks plain HTTP/1.1, and is asyncio's, as aiohttp is; `opening.py` has the doors for
Trio and for a command. Closing is prompt: answers under way are cancelled and their connections aborted.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import web
from multidict import CIMultiDict

from gestura.simulator.faults import Fault, HttpError
from gestura.simulator.fitting import fitted
from gestura.simulator.plan import make_plan
from gestura.simulator.scenario import Scenario
from gestura.simulator.seen import Outcome, SeenRequest
from gestura.simulator.sending import obey
from gestura.simulator.voices import VOICES, Voice

__all__ = ["Simulator", "serving"]

LOOPBACK = "127.0.0.1"

SEND_BUFFER = 64 * 1024
"""SO_SNDBUF in bytes. Small, so that `bytes_sent` follows what the client reads and not what the kernel holds."""

MAX_REQUEST = 64 * 1024 * 1024
"""Bytes of a request's body; a long conversation with images has more than aiohttp's default of 1 MiB."""

CLOSING_TIME = 1.0
"""Seconds that aiohttp may take to close connections. All handlers are cancelled before, so it takes none of it."""

TURNS_TO_ACCEPT = 5
"""Turns of the loop until a connection that asyncio has accepted is known to its server, with some to spare. One that
finds its server closed is neither served nor closed."""


class Simulator:
    """A running simulator.

    Attributes:
        url: the root, `http://127.0.0.1:PORT`; wire formats put their paths behind it.
        requests: every request seen so far, oldest first.
    """

    def __init__(self, scenarios: Iterable[Scenario], url: str, otherwise: str | None = None) -> None:
        self.url = url
        self.requests: list[SeenRequest] = []
        self._scenarios = {scenario.model: scenario for scenario in scenarios}
        self._otherwise = otherwise
        self._asked: Counter[str] = Counter()
        self._answering: set[asyncio.Task[Any]] = set()

    @property
    def models(self) -> Sequence[str]:
        """The names of the models that have a scenario."""
        return tuple(self._scenarios)

    def _make_app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_REQUEST)
        for voice in VOICES.values():
            app.router.add_post(voice.path, self._handler(voice))
        app.on_shutdown.append(self._stop_answering)
        return app

    def _handler(self, voice: Voice) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            body = _parse_json(await request.read())
            seen = SeenRequest(method=request.method, path=request.path_qs, headers=request.headers, body=body)
            self.requests.append(seen)
            task = asyncio.current_task()
            assert task is not None  # noqa: S101  # aiohttp runs each handler in one
            self._answering.add(task)
            outcome = Outcome.STOPPED
            try:
                response = await self._answer(voice, request, seen)
                outcome = Outcome.SENT
                return response
            except ConnectionError:
                outcome = Outcome.CLIENT_LEFT
                return web.Response()  # to nobody; what is raised here, aiohttp would log as an error of ours
            except asyncio.CancelledError:
                # aiohttp cancels the handler of a lost connection, and has forgotten its transport by then.
                if request.transport is None:
                    outcome = Outcome.CLIENT_LEFT
                else:
                    request.transport.abort()
                raise
            finally:
                self._answering.discard(task)
                seen.end(outcome)

        return answer

    async def _answer(self, voice: Voice, request: web.Request, seen: SeenRequest) -> web.StreamResponse:
        if not isinstance(seen.body, dict):
            return _error(voice, HttpError(status=400, message="The body is not a JSON object."), code=None)
        model = voice.model_of(request.match_info, seen.body)
        scenario = self._scenario_of(model)
        if scenario is None:
            known = f"The simulator has: {', '.join(self.models)}."
            problem = HttpError(status=404, message=f"The model `{model}` does not exist. {known}")
            return _error(voice, problem, code="model_not_found")
        scenario, faults = self._due(scenario)
        for fault in faults:
            if isinstance(fault, HttpError):
                return _error(voice, fault, code=None)
        events = voice.render(fitted(scenario, seen.body), seen.body) if scenario.body is None else [scenario.body]
        plan = make_plan(events, scenario.sending, faults)
        response = web.StreamResponse(headers={"Content-Type": voice.content_type, "Cache-Control": "no-cache"})
        await obey(plan, request, response, seen)
        return response

    def _scenario_of(self, model: str) -> Scenario | None:
        if model in self._scenarios:
            return self._scenarios[model]
        return attrs.evolve(self._scenarios[self._otherwise], model=model) if self._otherwise else None

    def _due(self, scenario: Scenario) -> tuple[Scenario, list[Fault]]:
        """What this request for the scenario meets, and the faults of it."""
        before = self._asked[scenario.model]
        self._asked[scenario.model] += 1
        place = min(before, len(scenario.then))
        due = attrs.evolve(scenario.then[place - 1], model=scenario.model) if place else scenario
        return due, [fault for fault in due.faults if fault.times is None or before - place < fault.times]

    async def _stop_answering(self, _: web.Application) -> None:
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)


@asynccontextmanager
async def serving(
    scenarios: Iterable[Scenario], port: int = 0, *, otherwise: str | None = None
) -> AsyncIterator[Simulator]:
    """A simulator that serves for the length of the block, in asyncio.

    Args:
        scenarios: what to answer; of several for one model the last counts.
        port: on 127.0.0.1; 0 picks a free one.
        otherwise: the model whose scenario is that of every model without one; `None` refuses to answer for those.

    Raises:
        OSError: the port can't be had.
    """
    with _listen(port) as listener:
        simulator = Simulator(scenarios, f"http://{LOOPBACK}:{listener.getsockname()[1]}", otherwise)
        runner = web.AppRunner(
            simulator._make_app(),  # noqa: SLF001  # the same module
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=CLOSING_TIME,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield simulator
        finally:
            asyncio.get_running_loop().remove_reader(listener)
            for _ in range(TURNS_TO_ACCEPT):
                await asyncio.sleep(0)
            await runner.cleanup()


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # accepted sockets inherit it
        listener.bind((LOOPBACK, port))
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _parse_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _error(voice: Voice, error: HttpError, *, code: str | None) -> web.Response:
    body = voice.error(error.status, error.message, code) if error.body is None else error.body.encode()
    # Not a plain dict: "content-type" in a scenario must replace ours, whatever its case.
    headers = CIMultiDict({"Content-Type": "application/json"})
    headers.update(error.headers)
    return web.Response(status=error.status, headers=headers, body=body)
