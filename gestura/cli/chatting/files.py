"""The files of a chat: conversations, and what goes along with a question. `FileProblem` tells what is wrong."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterable
from pathlib import Path

from gestura.conversation_json import messages_from_json, messages_to_json
from gestura.errors import ConfigError
from gestura.messages import Message
from gestura.parts import DocumentPart, ImagePart, document, image

__all__ = ["FileProblem", "attachment", "load", "resolved", "save"]


class FileProblem(Exception):
    """A file that can't be read, written or used; the message names it."""


def resolved(name: str) -> Path:
    """The file that a user means: `~` is the home directory."""
    return Path(name).expanduser().resolve()


def save(name: str, messages: Iterable[Message], *, overwrite: bool) -> None:
    """Write a conversation.

    Raises:
        FileProblem: the file is there already, and `overwrite` does not say that this is known, or can't be written.
    """
    text = json.dumps(messages_to_json(messages), ensure_ascii=False, indent=2)
    try:
        with resolved(name).open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text + "\n")
    except FileExistsError:
        raise FileProblem(f"{name}: it exists, and is not from this chat; choose another name") from None
    except OSError as error:
        raise FileProblem(f"{name}: {error.strerror or error}") from error


def load(name: str) -> tuple[Message, ...]:
    """Read a conversation.

    Raises:
        FileProblem: the file can't be read, or holds none.
    """
    try:
        return messages_from_json(json.loads(resolved(name).read_text(encoding="utf-8")))
    except OSError as error:
        raise FileProblem(f"{name}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FileProblem(f"{name}: {error}") from error


def attachment(source: str) -> ImagePart | DocumentPart:
    """A file or an address as a part of a question.

    Raises:
        FileProblem: the file can't be read, or is neither an image nor a document.
    """
    if source.startswith(("https://", "http://")):
        kind = mimetypes.guess_type(source)[0] or "image/"
        return image(source) if kind.startswith("image/") else document(source)
    try:
        found = document(resolved(source))
    except OSError as error:
        raise FileProblem(f"{source}: {error.strerror or error}") from error
    except ConfigError as error:
        raise FileProblem(f"{source}: neither an image nor a document that is known") from error
    if found.media_type is not None and found.media_type.startswith("image/"):
        return ImagePart(data=found.data, media_type=found.media_type)
    return found
