"""What writes a recording; `gestura.recording` says what stands in one, and reads it.

Secrets stay out: of headers only those known to hold none are kept with their values, and the keys and headers of the
configuration are replaced wherever they turn up, in what a server repeats, too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

import attrs

from gestura.chunk_json import converter
from gestura.config import StreamingConfig
from gestura.recording import FORMAT
from gestura.secrecy import HIDDEN, SHORTEST_SECRET
from gestura.transport import HttpRequest

__all__ = ["ExchangeRecorder", "Recorder"]

OPEN_HEADERS: Final = frozenset(
    {
        *("accept", "anthropic-version", "cache-control", "content-encoding", "content-length", "content-type", "date"),
        *("retry-after", "retry-after-ms", "server", "transfer-encoding", "x-request-id", "request-id"),
    }
)
"""Headers that hold no secret; of others the name is kept."""


class SecretHider:
    """Replaces secrets in bytes that come in pieces, and holds back what may be the beginning of one.

    >>> hider = SecretHider([b"sk-123456"])
    >>> hider.feed(b"your key sk-12"), hider.feed(b"3456 is wrong"), hider.close()
    (b'your key ', b'[hidden] is wrong', b'')
    """

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        data = self._held + data
        for secret in self._secrets:
            data = data.replace(secret, HIDDEN.encode())
        keep = max((_overlap(data, secret) for secret in self._secrets), default=0)
        self._held = data[len(data) - keep :]
        return data[: len(data) - keep]

    def close(self) -> bytes:
        held, self._held = self._held, b""
        return held


def _overlap(data: bytes, secret: bytes) -> int:
    """How many bytes at the end of `data` may be the beginning of `secret`."""
    longest = min(len(data), len(secret) - 1)
    return next((size for size in range(longest, 0, -1) if data.endswith(secret[:size])), 0)


class Recorder:
    """Writes one recording. Closed with its `with` block.

    Args:
        path: the file; one that is there is written over.
        secrets: what must not be in it.
        clock: seconds, from anywhere.
        version: gestura's.

    Raises:
        OSError: the file can't be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        secrets: Iterable[str],
        clock: Callable[[], float],
        version: str,
    ) -> None:
        self._secrets = [secret.encode() for secret in secrets if len(secret) >= SHORTEST_SECRET]
        self._clock = clock
        self._began = clock()
        self._exchanges = 0
        self._file: TextIO = path.open("w", encoding="utf-8")
        path.chmod(0o600)  # prompts and answers are nobody else's
        self._put({"recording": FORMAT, "gestura": version})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def begin(self, request: HttpRequest) -> ExchangeRecorder:
        """A request is made."""
        exchange = ExchangeRecorder(self, self._exchanges, SecretHider(self._secrets))
        self._exchanges += 1
        exchange.note(
            "request",
            method=request.method,
            url=request.url,
            headers=_open_headers(request.headers),
            body=request.body.decode("utf-8", "replace"),
        )
        return exchange

    def begin_stream(self, config: StreamingConfig) -> None:
        """A stream begins, and goes by this configuration."""
        providers = {
            name: attrs.evolve(settings, api_key="", headers={}) for name, settings in config.providers.items()
        }
        self.note("stream", config=converter().unstructure(attrs.evolve(config, providers=providers)))

    def note(self, event: str, exchange: int | None = None, **fields: Any) -> None:
        """Write an event of now."""
        place = {} if exchange is None else {"exchange": exchange}
        self._put({"at": self.now(), **place, "event": event, **self._hidden(fields)})

    def now(self) -> float:
        """Seconds from the beginning of the recording."""
        return round(self._clock() - self._began, 6)

    def _put(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n")

    def _hidden(self, value: Any) -> Any:
        """`value` without secrets in its strings."""
        if isinstance(value, dict):
            return {key: self._hidden(inner) for key, inner in value.items()}
        if not isinstance(value, str):
            return value
        hider = SecretHider(self._secrets)
        return (hider.feed(value.encode("utf-8", "replace")) + hider.close()).decode()


@attrs.define
class ExchangeRecorder:
    """Writes what becomes of one request."""

    _recorder: Recorder
    _number: int
    _hider: SecretHider
    _ended: bool = attrs.field(default=False, init=False)

    def note(self, event: str, **fields: Any) -> None:
        """Write an event of now."""
        self._recorder.note(event, self._number, **fields)

    def respond(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of the response is there."""
        self.note("response", status=status, headers=_open_headers(headers))

    def asked(self) -> float:
        """The engine wants bytes: when."""
        return self._recorder.now()

    def read(self, data: bytes, asked: float) -> None:
        """Bytes of the body came, which were wanted at `asked`."""
        if data := self._hider.feed(data):
            self.note("read", asked=asked, **_as_json(data))

    def end(self, event: str, **fields: Any) -> None:
        """Nothing more comes: `end`, `error` or `closed`. Of several the first counts."""
        if self._ended:
            return
        self._ended = True
        if data := self._hider.close():
            self.note("read", asked=self._recorder.now(), **_as_json(data))
        self.note(event, **fields)


def _as_json(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _open_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value if name.lower() in OPEN_HEADERS else HIDDEN for name, value in headers.items()}
