"""The bytes of an image or a document that a request itself holds: as bytes, or in a `data:` URL (RFC 2397)."""

from __future__ import annotations

import base64
import binascii
from typing import Final
from urllib.parse import unquote_to_bytes

from gestura.parts import DocumentPart, ImagePart
from gestura.providers._translation import cannot_say

__all__ = ["inline_file", "kind_of"]

UNTYPED: Final = "text/plain"
"""What a `data:` URL is that does not say (RFC 2397, section 2)."""


def kind_of(part: ImagePart | DocumentPart) -> str:
    """What errors call it, after the path of the part."""
    return "image" if isinstance(part, ImagePart) else "document"


def inline_file(path: str, part: ImagePart | DocumentPart) -> tuple[str, bytes] | None:
    """The media type and the bytes; `None` if the provider shall fetch them.

    Args:
        path: where the part is.
        part: the image or document.

    Raises:
        ConfigError: a `data:` URL is none.

    >>> inline_file("messages[0].parts[0]", ImagePart(url="data:image/gif;base64,R0lGOA=="))
    ('image/gif', b'GIF8')
    """
    if part.data is not None:
        return part.media_type or "", part.data
    scheme, _, content = (part.url or "").partition(":")
    if scheme != "data":
        return None
    head, comma, text = content.partition(",")
    media_type, *parameters = head.split(";")
    try:
        data = unquote_to_bytes(text)
        if parameters[-1:] == ["base64"]:
            data = base64.b64decode(data, validate=True)
    except binascii.Error:
        comma = ""
    if not comma:
        cannot_say(f"{path}.{kind_of(part)}.url", "no valid data: URL")
    return part.media_type or media_type or UNTYPED, data
