"""What the official `openai` package makes of a Chat Completions stream: the oracle for recorded answers.

One response is read twice. The package's typed chunks are added up here, in plain lines; and its accumulator, the one
behind `client.chat.completions.stream()`, adds up the same chunks by itself. The two do not always agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from servers import NO_AUTHORITIES

if TYPE_CHECKING:
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionChunk


@attrs.frozen(kw_only=True)
class Reading:
    """An answer as one reader understands it.

    Args:
        tool_calls: id, name and arguments of each.
        usage: tokens of input, of output, in total, cached of the input, and of reasoning; `None` is not told.
        error: the provider's words for why it failed.
    """

    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    tool_calls: tuple[tuple[str, str, str], ...] = ()
    finish_reason: str | None = None
    usage: tuple[int | None, ...] | None = None
    model: str | None = None
    error: str | None = None

    def differs_from(self, other: Reading) -> set[str]:
        """The names of the fields that are not equal."""
        names = [field.name for field in attrs.fields(Reading)]
        return {name for name in names if getattr(self, name) != getattr(other, name)}


def read_officially(base_url: str) -> dict[str, Reading | None]:
    """Ask for one answer, as the typed chunks tell it and as the accumulator does; `None` where it fails. Blocks."""
    import openai

    chunks: list[ChatCompletionChunk] = []
    error = None
    http = openai.DefaultHttpxClient(verify=NO_AUTHORITIES)
    with openai.OpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=20, http_client=http) as client:
        try:
            with client.chat.completions.create(model="m", messages=[], stream=True) as stream:
                chunks.extend(stream)
        except (openai.APIError, ValueError) as failure:
            error = getattr(failure, "message", type(failure).__name__)
    return {"chunks": _added_up(chunks, error), "accumulator": _accumulated(chunks, error)}


def _added_up(chunks: Sequence[ChatCompletionChunk], error: str | None) -> Reading:
    text, refusal, reasoning = "", "", ""
    calls: dict[int | None, list[str]] = {}
    finish_reason = None
    for choice in (choice for chunk in chunks for choice in chunk.choices or () if choice.index == 0):
        delta = choice.delta
        text += delta.content if isinstance(delta.content, str) else ""
        refusal += delta.refusal or ""
        reasoning += _reasoning(delta)
        finish_reason = choice.finish_reason or finish_reason
        for piece in delta.tool_calls or ():
            call = calls.setdefault(piece.index, ["", "", ""])
            call[0] = call[0] or piece.id or ""
            call[1] += piece.function.name or ""
            call[2] += piece.function.arguments or ""
    return Reading(
        text=text,
        refusal=refusal,
        reasoning=reasoning,
        tool_calls=tuple((call[0], call[1], call[2]) for call in calls.values()),
        finish_reason=finish_reason,
        usage=_last(_counts(chunk.usage) for chunk in chunks),
        model=_last(chunk.model or None for chunk in chunks),
        error=error,
    )


def _accumulated(chunks: Sequence[ChatCompletionChunk], error: str | None) -> Reading | None:
    from openai.lib.streaming.chat import ChatCompletionStreamState

    state = ChatCompletionStreamState()
    try:
        for chunk in chunks:
            state.handle_chunk(chunk)
        completion = state.current_completion_snapshot
    except (TypeError, AssertionError):
        return None
    choice = completion.choices[0]
    message = choice.message
    return Reading(
        text=message.content or "",
        refusal=message.refusal or "",
        reasoning=_reasoning(message),
        tool_calls=tuple((call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()),
        finish_reason=choice.finish_reason,
        usage=_counts(completion.usage),
        model=completion.model,
        error=error,
    )


def _reasoning(message: Any) -> str:
    """Reasoning has no field of the package's own, but what a server sends beside the fields is kept."""
    extra = message.model_extra or {}
    details = extra.get("reasoning_details") or ()
    shown = "".join(detail.get("text") or detail.get("summary") or "" for detail in details)
    return extra.get("reasoning_content") or extra.get("reasoning") or shown


def _counts(usage: CompletionUsage | None) -> tuple[int | None, ...] | None:
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        prompt.cached_tokens if prompt else None,
        completion.reasoning_tokens if completion else None,
    )


def _last(values: Iterator[Any]) -> Any:
    return next((value for value in reversed(list(values)) if value is not None), None)
