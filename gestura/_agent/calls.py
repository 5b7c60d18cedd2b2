"""The tool calls of one answer, run side by side; each has exactly one result, whatever becomes of it.

A function that fails, takes too long, or was called with arguments that it does not take, gives an error result, which
the model can read. Only what ends the program, and cancellation, passes through.
"""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import trio

from gestura._actors.groups import bare_errors
from gestura._actors.outlet import Outlet
from gestura.agent_options import Confirm, Denied, RunLimits
from gestura.chunks import StreamChunk, ToolBlocked, ToolCallResult, ToolConfirmationRequired
from gestura.errors import InvalidValue
from gestura.parts import ResultPart, TextPart, ToolCall, ToolResult
from gestura.tools import FunctionTool, result_parts

__all__ = ["ToolRunner"]

_log = logging.getLogger("gestura.tools")

UNCONFIRMED = "nobody could be asked to allow it"


@attrs.frozen
class _Failed(Exception):
    """A call whose result is an error: `words` are for the model. `blocked` tells that it was not allowed."""

    words: str
    blocked: ToolBlocked | None = None


class ToolRunner:
    """Runs the calls of a turn.

    Args:
        tools: what can be called, by name.
        limits: how many calls run at a time, and for how long.
        confirm: the user's hook.
        outlet: where the chunks go.
    """

    def __init__(
        self, tools: Mapping[str, FunctionTool], limits: RunLimits, confirm: Confirm | None, outlet: Outlet
    ) -> None:
        self._tools = tools
        self._timeout = limits.tool_timeout
        self._confirm = confirm
        self._outlet = outlet
        self._untold: list[StreamChunk] = []
        self._asking = trio.Lock()
        self._running = trio.CapacityLimiter(limits.max_parallel_calls)
        # Apart, for a thread that was given up holds its place until it ends; Trio's own threads stay free for others.
        self._threads = trio.CapacityLimiter(limits.max_parallel_calls)

    async def run(self, calls: Sequence[ToolCall], results: dict[str, ToolResult]) -> None:
        """Run the calls that have no result yet, and put theirs into `results`, by id.

        Cancelled, it leaves there the results that were known by then.

        Raises:
            trio.BrokenResourceError: the user has gone.
        """
        with bare_errors():
            async with trio.open_nursery() as nursery:
                for call in calls:
                    if call.id not in results:
                        nursery.start_soon(self._run_one, call, results)

    async def _run_one(self, call: ToolCall, results: dict[str, ToolResult]) -> None:
        started = trio.current_time()
        is_error, blocked = False, None
        try:
            tool, arguments = self._understand(call)
            if tool.confirm:
                await self._make_sure(tool, call)
            async with self._running:
                started = trio.current_time()
                content = await self._call(tool, arguments)
        except _Failed as error:
            content, is_error, blocked = (TextPart(error.words),), True, error.blocked
        results[call.id] = ToolResult(call.id, content, is_error=is_error)
        took = round((trio.current_time() - started) * 1000)
        chunk = blocked or ToolCallResult(call.name, not is_error, _shown(content), took, id=call.id)
        self._untold.append(chunk)
        await self._outlet.send(chunk)
        self._untold.remove(chunk)

    async def tell_the_rest(self) -> None:
        """Send what a cancellation has kept from being sent."""
        for chunk in self._untold:
            await self._outlet.send(chunk)
        self._untold.clear()

    def _understand(self, call: ToolCall) -> tuple[FunctionTool, dict[str, Any]]:
        tool = self._tools.get(call.name)
        if tool is None:
            raise _Failed(f"There is no tool {call.name!r}; there are: {', '.join(self._tools) or 'none'}.")
        try:
            return tool, tool.read_arguments(call.arguments)
        except InvalidValue as error:
            raise _Failed(f"Invalid arguments: {error}") from error

    async def _make_sure(self, tool: FunctionTool, call: ToolCall) -> None:
        """Ask whether the call is allowed; a hook that fails allows nothing."""
        question = ToolConfirmationRequired(
            confirmation_id=call.id,
            tool_name=tool.name,
            tool_args=call.arguments,
            description=tool.description,
            risk_level=tool.risk_level,
            category=tool.category,
        )
        async with self._asking:
            await self._outlet.send(question)
            verdict: bool | Denied = Denied(UNCONFIRMED)
            if self._confirm is not None:
                try:
                    verdict = await self._confirm(question)
                except Exception:  # noqa: BLE001  # the user's own code
                    _log.exception("the hook that confirms calls of tools failed; the call is not run")
        if verdict is not True:
            reason = verdict.reason if isinstance(verdict, Denied) else Denied().reason
            raise _Failed(f"The call was not allowed: {reason}", ToolBlocked(tool.name, reason, id=call.id))

    async def _call(self, tool: FunctionTool, arguments: Mapping[str, Any]) -> tuple[ResultPart, ...]:
        timeout = self._timeout if tool.timeout is None else tool.timeout
        try:
            with trio.move_on_after(math.inf if timeout is None else timeout):
                return result_parts(await self._returned(tool, arguments))
        except Exception as error:
            _log.info("the tool %s failed", tool.name, exc_info=error)
            raise _Failed(f"{type(error).__name__}: {error}") from error
        except BaseExceptionGroup as group:
            cancelled, others = group.split(trio.Cancelled)
            if cancelled is None or not isinstance(others, ExceptionGroup):
                raise
            _log.info("the tool %s failed while it was cancelled", tool.name, exc_info=others)
            raise cancelled from None
        raise _Failed(f"The tool gave no result within {timeout:g} seconds.")

    async def _returned(self, tool: FunctionTool, arguments: Mapping[str, Any]) -> Any:
        function = partial(tool.function, **arguments)
        if not _is_async(tool.function):
            return await trio.to_thread.run_sync(function, limiter=self._threads, abandon_on_cancel=True)
        return await function()


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _shown(content: Sequence[ResultPart]) -> str:
    """A result for a person."""
    return "".join(part.text if isinstance(part, TextPart) else f"[{part.media_type or part.url}]" for part in content)
