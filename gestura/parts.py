"""What messages are made of: `Part`, one frozen attrs class per kind, in terms that every provider's own translate to.

Parts hold no rules: `gestura.conversation_rules` checks a whole request, so that an error can say where it is wrong.

Bytes are held as they are and encoded only into the body of a request. `cache` on a part asks the provider to keep all
up to and including that part for so long, so that the next request with the same beginning costs less (Anthropic's
"prompt caching", and gateways whose `ChatDialect` says so; others do it by themselves, and are not sent the hint).
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Final, Literal

import attrs

from gestura.errors import ConfigError, ErrorKind

__all__ = [
    "CacheTime",
    "DocumentPart",
    "ImagePart",
    "Part",
    "RefusalPart",
    "ResultPart",
    "TextPart",
    "ThinkingPart",
    "ToolCall",
    "ToolResult",
    "document",
    "image",
]

CacheTime = Literal["5m", "1h"]
"""How long a provider is asked to keep the beginning of a request: five minutes or an hour."""


def _sized(value: bytes | None) -> str:
    return "None" if value is None else f"<{len(value)} bytes>"


@attrs.frozen
class TextPart:
    """Plain text."""

    text: str
    cache: CacheTime | None = attrs.field(default=None, kw_only=True)


@attrs.frozen(kw_only=True)
class ImagePart:
    """A picture, by its bytes or by its address. `image()` makes one and finds out the type.

    Args:
        data: the file's bytes; `media_type` goes with them.
        url: where the provider shall fetch it; instead of `data`.
        media_type: `image/png`, `image/jpeg`, `image/gif`, `image/webp`, …
        cache: see the head of this module.
    """

    data: bytes | None = attrs.field(default=None, repr=_sized)
    url: str | None = None
    media_type: str | None = None
    cache: CacheTime | None = None


@attrs.frozen(kw_only=True)
class DocumentPart:
    """A document, such as a PDF, by its bytes or by its address. `document()` makes one and finds out the type.

    Args:
        data: the file's bytes; `media_type` goes with them.
        url: where the provider shall fetch it; instead of `data`.
        media_type: `application/pdf`, `text/plain`, …
        name: what to call it.
        cache: see the head of this module.
    """

    data: bytes | None = attrs.field(default=None, repr=_sized)
    url: str | None = None
    media_type: str | None = None
    name: str | None = None
    cache: CacheTime | None = None


@attrs.frozen
class ThinkingPart:
    """A piece of the model's reasoning, in the place it had among its other parts.

    Args:
        text: what the provider showed of it, possibly nothing.
        signature: the provider's seal, opaque; some refuse a later turn whose reasoning comes without it.
        sealed_by: the wire format that the seal belongs to, such as `anthropic`; others are not sent it.
        redacted: the seal stands for reasoning that the provider does not show.
    """

    text: str
    signature: str | None = attrs.field(default=None, kw_only=True)
    sealed_by: str | None = attrs.field(default=None, kw_only=True)
    redacted: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen
class ToolCall:
    """A complete tool call of the model's.

    Args:
        id: unique within its message.
        name: the tool's.
        arguments: JSON text, as the model wrote it: usually an object, but nobody vouches for it.
        signature: the provider's seal on the call, to be sent back with it (Gemini's thought signatures).
        sealed_by: the wire format that the seal belongs to; others are not sent it.
    """

    id: str
    name: str
    arguments: str
    signature: str | None = attrs.field(default=None, kw_only=True)
    sealed_by: str | None = attrs.field(default=None, kw_only=True)


ResultPart = TextPart | ImagePart | DocumentPart
"""What the result of a tool is made of."""


@attrs.frozen
class ToolResult:
    """What a tool gave back.

    Args:
        call_id: the id of the call.
        content: text and images (and documents, where the provider takes them there).
        is_error: the tool failed, and the content says how.
        cache: see the head of this module.
    """

    call_id: str
    content: tuple[ResultPart, ...]
    is_error: bool = attrs.field(default=False, kw_only=True)
    cache: CacheTime | None = attrs.field(default=None, kw_only=True)

    @property
    def text(self) -> str:
        """The texts of the content, joined."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


@attrs.frozen
class RefusalPart:
    """The model's own words for why it did not answer, where the provider keeps them apart from text."""

    text: str


Part = TextPart | ImagePart | DocumentPart | ThinkingPart | ToolCall | ToolResult | RefusalPart
"""What a message is made of."""

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)


def image(source: bytes | Path | str, *, media_type: str | None = None, cache: CacheTime | None = None) -> ImagePart:
    """A picture to show to the model.

    Args:
        source: the file's bytes, its path (read here and now), or its address.
        media_type: found out from the bytes or the path unless told.
        cache: see the head of this module.

    Raises:
        ConfigError: the type can't be told from the bytes.
        OSError: the file can't be read.

    >>> image("https://example.com/cat.png").url
    'https://example.com/cat.png'
    >>> image(b"GIF89a...").media_type
    'image/gif'
    """
    if isinstance(source, str):
        return ImagePart(url=source, media_type=media_type, cache=cache)
    data, media_type = _read("image", source, media_type)
    return ImagePart(data=data, media_type=media_type, cache=cache)


def document(
    source: bytes | Path | str,
    *,
    media_type: str | None = None,
    name: str | None = None,
    cache: CacheTime | None = None,
) -> DocumentPart:
    """A document for the model to read.

    Args:
        source: the file's bytes, its path (read here and now), or its address.
        media_type: found out from the bytes or the path unless told.
        name: what to call it; the file's name where a path is given.
        cache: see the head of this module.

    Raises:
        ConfigError: the type can't be told from the bytes.
        OSError: the file can't be read.

    >>> document(b"%PDF-1.7 ...", name="report.pdf").media_type
    'application/pdf'
    """
    if isinstance(source, str):
        return DocumentPart(url=source, media_type=media_type, name=name, cache=cache)
    if name is None and isinstance(source, Path):
        name = source.name
    data, media_type = _read("document", source, media_type)
    return DocumentPart(data=data, media_type=media_type, name=name, cache=cache)


def _read(what: str, source: bytes | Path, media_type: str | None) -> tuple[bytes, str]:
    match source:
        case bytes():
            data, by_name = source, None
        case Path():
            data, by_name = source.read_bytes(), mimetypes.guess_type(source.name)[0]
        case _:
            raise ConfigError(
                f"{what}: bytes, a pathlib.Path or a URL as a str, not {type(source).__name__}",
                kind=ErrorKind.BAD_REQUEST,
            )
    media_type = media_type or _type_of(data) or by_name
    if media_type is None:
        raise ConfigError(f"{what}: its type is not known; give it as media_type=", kind=ErrorKind.BAD_REQUEST)
    return data, media_type


def _type_of(data: bytes) -> str | None:
    """The media type that the first bytes of a file tell."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for magic, media_type in _MAGIC if data.startswith(magic)), None)
