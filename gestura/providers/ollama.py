"""Ollama, local or in its cloud: `POST …/api/chat`, one JSON object per line.

Lines are as in Ollama's API reference ("Generate a chat completion") and its server's code. Reasoning is
`message.thinking`; servers that imitate Ollama also write `reasoning_content`. Tool calls come whole, with arguments as
an object (some servers: as JSON text), in one line or several; older servers give them no id. A model is loaded before
the response begins, which may take minutes: hence the words for waiting.

An answer is complete with the line that says `"done": true`, which also has the counts. An error later than the head
of the response is a line of its own, and the last.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable
from typing import Any, Final

import attrs
import msgspec

from gestura.chunks import FinishReason, Text, Thinking
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.limits import Limits
from gestura.providers._decoding import FrameDecoder, WireDecoder
from gestura.providers._encoding import encoded
from gestura.providers._ollama_body import ollama_body
from gestura.providers.endpoints import endpoint_url
from gestura.providers.faults import fault_in_stream
from gestura.providers.waiting import WaitingWords
from gestura.stages import Stage
from gestura.stages.deltas import Anomaly, Delta, Finish, Frame, ModelName, Oddity, Terminal, ToolCallFragment, Usage
from gestura.stages.ndjson import NdjsonFramer
from gestura.transport import HttpRequest
from gestura.usage import TokenUsage

__all__ = ["Ollama", "OllamaDecoder", "ollama_base_url"]

DEFAULT_PORT: Final = 11434

FINISH_REASONS: Final = {
    "stop": FinishReason.STOP,
    "load": FinishReason.STOP,
    "unload": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
}
"""Ollama's own words, those for a request that only loads or unloads the model included, and that of imitators."""


@attrs.frozen
class Ollama:
    """The provider: asks without a key, or with a bearer key, and reads lines of JSON.

    Args:
        settings: how to reach it.
        make_id: see `OllamaDecoder`.
    """

    settings: ProviderSettings
    make_id: Callable[[], object] = attrs.field(default=uuid.uuid4, kw_only=True)

    @property
    def waiting_words(self) -> WaitingWords:
        """What to say while a model loads."""
        model = self.settings.model
        return WaitingWords(
            connected=f"Connected to Ollama — loading model '{model}'…",
            loading=f"Loading model '{model}'…",
            working=f"Working… (model '{model}')",
        )

    @property
    def think_tags(self) -> tuple[str, ...]:
        return ("think",) if self.settings.think_tags is None else self.settings.think_tags

    def ask(self, request: Request) -> HttpRequest:
        settings = self.settings
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/x-ndjson, application/json",  # an answer of one line may come as JSON
            **settings.headers,
        }
        if settings.api_key:
            headers["Authorization"] = f"Bearer {settings.api_key}"
        sends_secrets = bool(settings.api_key or settings.headers)
        return HttpRequest(
            url=endpoint_url(
                ollama_base_url(settings.base_url or ""),
                "",
                "api/chat",
                sends_secrets=sends_secrets,
                allow_plain_http=settings.allow_plain_http,
            ),
            headers=headers,
            body=encoded(ollama_body(request, settings)),
        )

    def framing(self, limits: Limits) -> Stage[bytes, Frame]:
        return NdjsonFramer(limits)

    def decoder(self) -> Stage[Frame, Delta]:
        return OllamaDecoder(self.make_id)


def ollama_base_url(host: str) -> str:
    """The base URL that a value of `OLLAMA_HOST` means, by the rules of Ollama's own programs (`envconfig.Host`).

    Scheme, host and port may be missing: the default is `http://127.0.0.1:11434`, but a scheme brings its own port, and
    `ollama.com` alone is https. A port that is none is the default one. A path is kept. The address of all interfaces,
    which servers listen on and nobody can dial, becomes the loopback address.

    >>> ollama_base_url("gpu-box")
    'http://gpu-box:11434'
    >>> ollama_base_url("0.0.0.0:8080")
    'http://127.0.0.1:8080'
    >>> ollama_base_url("https://models.example/ollama/")
    'https://models.example:443/ollama'
    """
    host = host.strip(" \t\r\n\"'")
    scheme, has_scheme, rest = host.partition("://")
    if host == "ollama.com":
        scheme, rest, default_port = "https", host, 443
    elif not has_scheme:
        scheme, rest, default_port = "http", host, DEFAULT_PORT
    else:
        default_port = {"http": 80, "https": 443}.get(scheme.lower(), DEFAULT_PORT)
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    path = rest.removeprefix(authority)
    user, at, address = authority.rpartition("@")  # kept, so that whoever joins the URL can refuse it
    name, port = _split_port(address)
    is_port = port.isdecimal() and port.isascii() and 0 < int(port[:6]) < 2**16
    return f"{scheme}://{user}{at}{_dialled(name)}:{int(port) if is_port else default_port}{path.rstrip('/')}"


def _split_port(address: str) -> tuple[str, str]:
    """Host and port; an IPv6 address may lack its brackets if it lacks a port."""
    name, colon, port = address.rpartition(":")
    if not colon or (":" in name and not name.endswith("]")):
        return address, ""
    return name, port


def _dialled(name: str) -> str:
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name or "127.0.0.1"
    if address.version == 4:
        return "127.0.0.1" if address.is_unspecified else str(address)
    return "[::1]" if address.is_unspecified else f"[{address}]"


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Event(msgspec.Struct, gc=False):
    model: str | None = None
    message: _Message | None = None
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: dict[str, Any] | str | None = None


class OllamaDecoder(WireDecoder):
    """Frames to deltas. Calls are numbered in the order in which they come.

    Args:
        make_id: what an id is made of for a call that comes without one; random, so that it is new in a conversation.
    """

    def __init__(self, make_id: Callable[[], object] = uuid.uuid4) -> None:
        self._make_id = make_id
        self._events = FrameDecoder(_Event)
        self._model: str | None = None
        self._calls = 0
        self._answering = False
        self._ended = False

    def _read(self, frame: Frame, out: list[Delta]) -> None:
        if self._ended:
            return
        event, as_expected = self._events.decode(frame)
        if not as_expected:
            out.append(Anomaly(Oddity.UNEXPECTED_SHAPE))
        if event.model and event.model != self._model:
            self._model = event.model
            out.append(ModelName(event.model))
        if event.message:
            self._read_message(event.message, out)
        if event.error:
            out.append(fault_in_stream(event.error, answering=self._answering))
        if event.done:
            self._ended = True
            _read_usage(event, out)
            self._read_finish(event.done_reason, out)
            out.append(Terminal())
        elif as_expected and not event.message and not event.error:
            out.append(Anomaly(Oddity.UNKNOWN_EVENT))

    def _read_message(self, message: _Message, out: list[Delta]) -> None:
        before = len(out)
        if thinking := message.thinking or message.reasoning_content:
            out.append(Thinking(thinking))
        if message.content:
            out.append(Text(message.content))
        for call in message.tool_calls or ():
            function = call.function or _Function()
            arguments = function.arguments
            if isinstance(arguments, dict):
                arguments = msgspec.json.encode(arguments).decode()
            out.append(
                ToolCallFragment(
                    index=self._calls,
                    id=call.id or f"ollama-tool-{self._make_id()}",
                    name=function.name,
                    arguments=arguments or "",
                    complete=True,
                )
            )
            self._calls += 1
        self._answering = self._answering or len(out) > before

    def _read_finish(self, word: str | None, out: list[Delta]) -> None:
        """Why the model stopped. For one that calls tools Ollama's word is "stop", too."""
        reason = FINISH_REASONS.get(word.lower(), FinishReason.OTHER) if word else FinishReason.UNKNOWN
        if self._calls and reason in (FinishReason.STOP, FinishReason.UNKNOWN):
            reason = FinishReason.TOOL_CALLS
        if reason is not FinishReason.UNKNOWN:
            out.append(Finish(reason, word or None))


def _read_usage(event: _Event, out: list[Delta]) -> None:
    counts = (event.prompt_eval_count, event.eval_count)
    told = [count for count in counts if count is not None]
    if told:
        total = sum(told) if len(told) == len(counts) else None
        out.append(Usage(TokenUsage(input_tokens=counts[0], output_tokens=counts[1], total_tokens=total)))
