"""`Client`: what an application opens once, with `open_client`, and asks as often as it likes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import trio

from gestura._actors.guard import Guards
from gestura._actors.inbox import Inbox
from gestura._actors.interrupt import Interrupt
from gestura._actors.observed import ObservedOutlet
from gestura._actors.outlet import Outlet
from gestura._actors.published import publishing, start_serving, way_of
from gestura._actors.recorded import open_recorder
from gestura._actors.statistics import Counts
from gestura._actors.supervisor import Supervisor
from gestura._actors.witnessed import witnessed
from gestura._stream import CHUNKS_TO_THE_USER, ChunkStream
from gestura.agent_options import Compact, Confirm, RunLimits
from gestura.answer import Answer, ParsedAnswer
from gestura.cancellation import CancellationToken
from gestura.chunks import Paused, StreamChunk
from gestura.config import StreamingConfig
from gestura.conversation import Prompt, Request, ResponseShape, continuation
from gestura.errors import ConfigError
from gestura.observing import Observer
from gestura.providers import ProviderFactory
from gestura.publishing import Publisher
from gestura.request_options import ResponseFormat
from gestura.transport import Transport

if TYPE_CHECKING:
    from gestura._agent.run import AgentRun
    from gestura.recorder import Recorder
    from gestura.tools import ToolSource

__all__ = ["Client"]

T = TypeVar("T")

DEFAULT_LIMITS: Final = RunLimits()


class Client:
    """Asks language models. Made by `open_client`; any number of streams at once, from any task of its `trio.run`.

    It belongs to that run and to its block. All its methods raise `trio.ClosedResourceError` after the block, and
    `RuntimeError` in another run, in another thread or in a forked process: open a client there.
    """

    def __init__(
        self,
        config: StreamingConfig,
        transport: Transport,
        providers: Mapping[str, ProviderFactory],
        observer: Observer | None = None,
    ) -> None:
        self._config = config
        self._config_with = lru_cache(config.with_model)  # streams of one model share a copy
        self._observer = observer
        self._transport = transport
        self._providers = providers
        self._guards = Guards(config.providers)
        self._home = trio.lowlevel.current_trio_token()
        self._process = os.getpid()
        self._closed = False

    @asynccontextmanager
    async def stream(
        self,
        prompt: Prompt,
        *,
        provider: str | None = None,
        model: str | None = None,
        token: CancellationToken | None = None,
        response_format: ResponseShape | None = None,
        raw: bool = False,
        record: str | Path | Recorder | None = None,
        publish: Publisher | None = None,
        stream_id: str | None = None,
    ) -> AsyncIterator[ChunkStream]:
        """Ask, and read the answer as it comes.

        Leaving the block, by any door, has stopped every task of the stream and closed its socket before the next line
        runs. An exception of the block's own leaves it as it is.

        Args:
            prompt: a string, a list of messages, or a `Request`.
            provider: which of the configured providers to ask; the primary one unless told.
            model: which model to ask; the provider's configured one unless told.
            token: cancels or pauses the stream, from any task or thread.
            response_format: the shape that the answer shall have, as JSON: a class, a JSON Schema, or a
                `ResponseFormat`; the request's own unless told. `ChunkStream.objects` reads such an answer.
            raw: show each event as the provider sent it, in a `ProviderEvent` before the chunks it led to.
            record: write what passes over the wire to this file, with its timing and without secrets; see
                `gestura.recording`.
            publish: where the stream is published, too, for others to follow: a `gestura.relay.Relay`.
            stream_id: the name to publish it under; one is made up unless told, and told by `ChunkStream.stream_id`.

        Raises:
            ConfigError: the prompt is empty or none, or the format can be none.
            OSError: the recording can't be written.
            RelayError: the stream can't be published: its name is taken, or the log is out of reach.

        Example:
            async with client.stream("Why is the sky blue?") as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, gestura.Text):
                        print(chunk.text, end="", flush=True)
        """
        self._check_usable()
        name = provider or self._config.primary
        request = Request.of(prompt, response_format=response_format)
        async with publishing(
            publish, stream_id, request=request, provider=name, model=model, token=token
        ) as publication:
            inbox: Inbox[StreamChunk] = Inbox(CHUNKS_TO_THE_USER)
            way = way_of(inbox, publication)
            counts = Counts()
            supervisor = Supervisor(
                request=request,
                names=tuple(dict.fromkeys((name, *self._config.fallback))),
                config=self._config_with(name, model) if model else self._config,
                providers=self._providers,
                transport=self._transport,
                guards=self._guards,
                outlet=Outlet(way, counts) if self._observer is None else ObservedOutlet(way, counts),
                interrupt=Interrupt(publication.token if publication else token),
                counts=counts,
                raw=raw,
            )
            with witnessed(supervisor, record, self._observer):
                async with trio.open_nursery() as nursery:
                    start_serving(supervisor, way, nursery)
                    try:
                        yield ChunkStream(inbox, supervisor, stream_id=publication.stream_id if publication else None)
                    finally:
                        inbox.close()
                    nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def resume(
        self,
        paused: Paused,
        *,
        provider: str | None = None,
        model: str | None = None,
        token: CancellationToken | None = None,
        publish: Publisher | None = None,
        stream_id: str | None = None,
    ) -> AsyncIterator[ChunkStream]:
        """Go on from where a stream was paused, in this process or another. The chunks are those of the rest.

        Args:
            paused: the ending of the stream that was paused.
            provider: whom to ask; the one that was asked before unless told.
            model: which model; the one that was asked before unless told, and unless another provider is.
            token: as in `stream`. The token that paused stays paused: give another.
            publish: as in `stream`.
            stream_id: as in `stream`; another one than that of the stream that was paused.

        Raises:
            ConfigError: `paused` holds no request; one that a stream ended with does.
            RelayError: as in `stream`.
        """
        if paused.tool_results is not None:
            raise ConfigError("paused.tool_results: an agent's turn goes on with Client.run(paused, …)")
        if paused.request is None:
            raise ConfigError("paused.request: missing; resume the Paused chunk that a stream ended with")
        request = continuation(paused.request, paused.partial)
        if provider in (None, paused.provider):
            provider, model = paused.provider, model or paused.model
        async with self.stream(
            request, provider=provider, model=model, token=token, publish=publish, stream_id=stream_id
        ) as chunks:
            yield chunks

    def close(self) -> None:
        """Refuse further streams. `open_client` does it."""
        self._closed = True

    def _check_usable(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("the client is closed: the block of its open_client was left")
        if os.getpid() != self._process:
            raise RuntimeError("a client does not survive a fork: open one in the process that uses it")
        if trio.lowlevel.current_trio_token() is not self._home:
            raise RuntimeError("a client belongs to the trio.run that opened it: open one in each")

    @overload
    async def ask(
        self,
        prompt: Prompt,
        *,
        response_format: None = None,
        provider: str | None = None,
        model: str | None = None,
        token: CancellationToken | None = None,
    ) -> Answer: ...

    @overload
    async def ask(
        self,
        prompt: Prompt,
        *,
        response_format: type[T],
        provider: str | None = None,
        model: str | None = None,
        token: CancellationToken | None = None,
    ) -> ParsedAnswer[T]: ...

    @overload
    async def ask(
        self,
        prompt: Prompt,
        *,
        response_format: Mapping[str, Any] | ResponseFormat,
        provider: str | None = None,
        model: str | None = None,
        token: CancellationToken | None = None,
    ) -> ParsedAnswer[dict[str, Any]]: ...

    async def ask(
        self,
        prompt: Prompt,
        *,
        response_format: ResponseShape | None = None,
        provider: str | None = None,
        model: str | None = None,
        token: CancellationToken | None = None,
    ) -> Answer:
        """Ask, and wait for the whole answer. The arguments are those of `stream`.

        Args:
            prompt: as in `stream`.
            response_format: what the answer shall be: the class of `answer.value`, or a JSON Schema, for a dict. (A
                request's own format is not looked at here; `Answer.parse` makes a value of the answer.)
            provider: as in `stream`.
            model: as in `stream`.
            token: as in `stream`.

        Raises:
            ConfigError: the prompt is empty or none, or the format can be none.
            StreamFailed: there is no whole answer; `ending` tells why.
            UnfitAnswer: the answer is whole, and not what `response_format` says; `why` tells the reason.
        """
        async with self.stream(
            prompt, provider=provider, model=model, token=token, response_format=response_format
        ) as chunks:
            answer = await chunks.collect()
        match response_format:
            case None:
                return answer
            case Mapping() | ResponseFormat():
                return answer.parsed(dict[str, Any])
            case _:
                return answer.parsed(response_format)

    @asynccontextmanager
    async def run(
        self,
        prompt: Prompt | Paused,
        *,
        tools: ToolSource = (),
        limits: RunLimits = DEFAULT_LIMITS,
        confirm: Confirm | None = None,
        compact: Compact | None = None,
        provider: str | None = None,
        model: str | None = None,
        token: CancellationToken | None = None,
        raw: bool = False,
        record: str | Path | Recorder | None = None,
        publish: Publisher | None = None,
        stream_id: str | None = None,
    ) -> AsyncIterator[AgentRun]:
        """Let the model work with tools until it is done: its answers and the work of the tools, as one stream.

        Each answer begins with an `AgentLoopIteration` and is complete with a `StepDone`. The calls of an answer are
        run side by side, and each leads to a `ToolCallResult` or a `ToolBlocked`. A tool that fails, takes too long or
        is called wrongly gives the model an error to read. The one ending has the usage of all answers.

        Leaving the block, cancelling and pausing stop running tools, too; see `tool` for those in threads. A turn that
        was paused goes on with `run(paused, …)`, where calls that have no result yet are run (again, if they had
        begun).

        Args:
            prompt: a string, a list of messages, a `Request`, or the `Paused` that a turn ended with.
            tools: each a function, with or without `@tool`, or a `Tool`; beside those of the request, and instead of
                those of the same name. A call of a plain `Tool` ends the turn, and its result is yours to give.
            limits: how far the turn may go.
            confirm: is asked before each call of a tool with `confirm=True`.
            compact: is given a request that is longer than the context window, and gives a shorter one, which is asked
                once; without it, or where that is too long as well, the turn ends with `ContextOverflow`.
            provider: as in `stream`.
            model: as in `stream`.
            token: as in `stream`.
            raw: as in `stream`.
            record: as in `stream`; all answers of the turn go into the one file.
            publish: as in `stream`: the whole turn, as one stream.
            stream_id: as in `stream`.

        Raises:
            OSError: the recording can't be written.
            ConfigError: the prompt is empty or none, a tool can't be one, or one asks for a `confirm` that is missing.
            RelayError: as in `stream`.

        Example:
            async with client.run("Shall I need an umbrella in Oslo?", tools=[get_weather]) as run:
                async for chunk in run:
                    ...
            history += run.messages
        """
        from gestura._agent.run import open_run  # here, with all that reads types and schemas
        from gestura.tools import as_tools

        if isinstance(prompt, Paused) and provider in (None, prompt.provider):
            provider, model = prompt.provider, model or prompt.model
        with open_recorder(record, self._config.providers.values()) as recorder:
            async with open_run(
                prompt,
                ask=partial(self.stream, provider=provider, model=model, raw=raw, record=recorder),
                tools=as_tools(tools),
                limits=limits,
                confirm=confirm,
                compact=compact,
                token=token,
                provider=provider or self._config.primary,
                model=model,
                publish=publish,
                stream_id=stream_id,
            ) as run:
                yield run

    async def stream_into(
        self,
        prompt: Prompt,
        send: trio.MemorySendChannel[StreamChunk],
        *,
        provider: str | None = None,
        model: str | None = None,
        token: CancellationToken | None = None,
        response_format: ResponseShape | None = None,
        raw: bool = False,
        publish: Publisher | None = None,
        stream_id: str | None = None,
    ) -> None:
        """Ask, and send every chunk into a channel of your own, for use in a nursery that you own.

        The ending is sent last; `send` is closed on every way out. Returns early when the other end has been closed.

        Args:
            prompt: a string, a list of messages, or a `Request`.
            send: where chunks go.
            provider: as in `stream`.
            model: as in `stream`.
            token: as in `stream`.
            response_format: as in `stream`.
            raw: as in `stream`.
            publish: as in `stream`.
            stream_id: as in `stream`.

        Raises:
            ConfigError: the prompt is empty or none, or the format can be none.
            RelayError: as in `stream`.
        """
        with send:
            async with self.stream(
                prompt,
                provider=provider,
                model=model,
                token=token,
                response_format=response_format,
                raw=raw,
                publish=publish,
                stream_id=stream_id,
            ) as chunks:
                async for chunk in chunks:
                    try:
                        await send.send(chunk)
                    except trio.BrokenResourceError:
                        return
