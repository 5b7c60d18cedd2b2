"""Chunks in the words of OpenAI's Chat Completions: as the events of a stream, or as one object.

Each event is a `chat.completion.chunk`: first the role alone, then one `delta` for each chunk, then `finish_reason` on
an empty delta, then, where it was asked for, the token counts with no `choices`; the caller is told that it is over by
`[DONE]`, which is not JSON and added where the events are sent (OpenAI's API reference, "Chat completion chunk
object"). Reasoning is `reasoning_content`, as DeepSeek began it and most clients read it. What has no words there, such
as a provider's seal on its reasoning and news of the stream, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gestura.answer import Answer, Transcript
from gestura.chunks import (
    Cancelled,
    ContextOverflow,
    Done,
    Ending,
    Error,
    FinishReason,
    Paused,
    Refusal,
    RetryAttempt,
    StreamChunk,
    Text,
    Thinking,
    ToolCallArgs,
    ToolCallStart,
)
from gestura.errors import ErrorKind
from gestura.serving.refused import Refused
from gestura.usage import TokenUsage

__all__ = ["CompletionEvents", "completion", "error_body", "failure_of", "finish_word", "usage_of"]

FINISH_WORDS: Final = {
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
}
"""All others are `stop`: OpenAI has no other word."""

STATUSES: Final = {
    ErrorKind.BAD_REQUEST: 400,
    ErrorKind.CONTEXT_OVERFLOW: 400,
    ErrorKind.NOT_CONFIGURED: 400,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.QUOTA: 429,
    ErrorKind.OVERLOADED: 503,
    ErrorKind.RELAY: 503,
    ErrorKind.TIMEOUT: 504,
    ErrorKind.INTERNAL: 500,
}
"""What HTTP says of a failure; 502, a failure of who was asked, where nothing better is known. A key that the provider
refuses is the server's, not the caller's, so it is no 401."""

TYPES: Final = {401: "authentication_error", 403: "permission_error", 404: "invalid_request_error"}


def finish_word(reason: FinishReason, *, refused: bool, calls: bool) -> str:
    """OpenAI's word for why the model stopped.

    Args:
        reason: gestura's.
        refused: the model's words for why it does not answer were shown.
        calls: tool calls were.
    """
    if reason is FinishReason.REFUSAL and not refused:
        return "content_filter"  # nothing else tells that this is no answer
    if reason in (FinishReason.UNKNOWN, FinishReason.OTHER) and calls:
        return "tool_calls"
    return FINISH_WORDS.get(reason, "stop")


def usage_of(usage: TokenUsage) -> dict[str, Any]:
    """Token counts as OpenAI counts: what was cached is a part of the prompt, and reasoning of the completion."""
    parts = usage.parts()
    return {
        "prompt_tokens": parts.read,
        "completion_tokens": parts.output,
        "total_tokens": parts.total,
        "prompt_tokens_details": {"cached_tokens": parts.cached_input},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }


def failure_of(ending: Ending) -> Refused | None:
    """Why there is no whole answer; `None` where there is one."""
    match ending:
        case Done():
            return None
        case Error(message=message, kind=kind):
            status = STATUSES.get(kind, 502)
            return Refused(message, status=status, code=ending.code or kind.value, retry_after=ending.retry_after)
        case ContextOverflow(message):
            return Refused(message, status=400, code="context_length_exceeded")
        case Cancelled():
            return Refused("the stream was cancelled", status=503, code="cancelled")
        case Paused():
            return Refused("the stream was paused", status=503, code="paused")


def error_body(refused: Refused) -> dict[str, Any]:
    """What OpenAI's API says of a failure."""
    word = TYPES.get(refused.status)
    if word is None:
        word = "rate_limit_error" if refused.status == 429 else "invalid_request_error"
        word = "server_error" if refused.status >= 500 else word
    return {"error": {"message": str(refused), "type": word, "param": refused.path, "code": refused.code}}


class CompletionEvents:
    """Makes the events of one stream.

    Args:
        completion_id: the name of the answer.
        model: the name that the caller gave.
        created: when it was asked, in seconds since 1970.
        tells_usage: token counts are wanted.
    """

    def __init__(self, completion_id: str, *, model: str, created: int, tells_usage: bool) -> None:
        self._envelope = {"id": completion_id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._tells_usage = tells_usage
        if tells_usage:
            self._envelope["usage"] = None
        self._calls: dict[str, int] = {}
        self._refused = False
        self._begun = False
        self.failed: bool = False
        """An error was told: nothing more is said."""

    def feed(self, chunk: StreamChunk) -> list[dict[str, Any]]:
        """The events that say what `chunk` says; of an ending, all that is left but `[DONE]`."""
        match chunk:
            case _ if self.failed:
                return []
            case Text(text):
                return self._say({"content": text})
            case Thinking(text):
                return self._say({"reasoning_content": text})
            case Refusal(text):
                self._refused = True
                return self._say({"refusal": text})
            case ToolCallStart(id=call, name=name):
                place = self._calls[call] = len(self._calls)
                function = {"name": name, "arguments": ""}
                return self._say(
                    {"tool_calls": [{"index": place, "id": call, "type": "function", "function": function}]}
                )
            case ToolCallArgs(id=call, fragment=fragment):
                return self._say({"tool_calls": [{"index": self._calls[call], "function": {"arguments": fragment}}]})
            case RetryAttempt(discard=True) if self._begun:
                return self._fail(BEGUN_ANEW)
            case Done():
                return self._finish(chunk)
            case Error() | ContextOverflow() | Cancelled() | Paused():
                failure = failure_of(chunk)
                assert failure is not None  # noqa: S101  # of these, each is one
                return self._fail(failure)
            case _:
                return []

    def _say(self, delta: Mapping[str, Any], finish: str | None = None) -> list[dict[str, Any]]:
        deltas: list[Mapping[str, Any]] = [delta]
        if not self._begun:
            self._begun = True
            deltas.insert(0, {"role": "assistant", "content": ""})
        return [self._event([_choice(each, finish if each is delta else None)]) for each in deltas]

    def _fail(self, failure: Refused) -> list[dict[str, Any]]:
        self.failed = True
        return [error_body(failure)]

    def _finish(self, done: Done) -> list[dict[str, Any]]:
        events = self._say({}, finish_word(done.finish_reason, refused=self._refused, calls=bool(self._calls)))
        if self._tells_usage and done.usage is not None:
            events.append({**self._event([]), "usage": usage_of(done.usage)})
        return events

    def _event(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self._envelope, "choices": choices}


BEGUN_ANEW: Final = Refused(
    "the answer broke off and was begun anew, which can't be told in a stream of this API",
    status=502,
    code="begun_anew",
)
"""With `after_output = "restart"` in the configuration. The new answer must not be read as the rest of the old one."""


def _choice(delta: Mapping[str, Any], finish: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def completion(
    transcript: Transcript, ending: Ending, *, completion_id: str, model: str, created: int
) -> dict[str, Any]:
    """A whole answer as one object.

    Raises:
        Refused: there is none.
    """
    failure = failure_of(ending)
    if failure is not None:
        raise failure
    answer = transcript.answer(ending)
    word = finish_word(answer.done.finish_reason, refused=bool(answer.refusal), calls=bool(answer.tool_calls))
    whole = {
        "id": completion_id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": _message(answer), "logprobs": None, "finish_reason": word}],
    }
    return whole if answer.done.usage is None else {**whole, "usage": usage_of(answer.done.usage)}


def _message(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": answer.refusal or None}
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    if answer.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in answer.tool_calls
        ]
    return message
