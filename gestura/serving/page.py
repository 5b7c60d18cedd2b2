"""The page at `/`, and the headers that let it do what it does and nothing else.

It is one file without outside loads. Its script and its style are admitted by their hashes, so that nothing which gets
into the page by whatever way is run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["page", "page_headers"]

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        "img-src data:",
        "{}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


@cache
def page() -> bytes:
    """The page, as UTF-8."""
    return (files("gestura.serving") / "page.html").read_bytes()


@cache
def page_headers() -> dict[str, str]:
    """What is sent with it."""
    admitted = "; ".join(f"{tag}-src {_hashes(tag)}" for tag in ("script", "style"))
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": POLICY.format(admitted),
        "Cache-Control": "no-cache",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def _hashes(tag: str) -> str:
    """The hashes of all elements of that name, as a policy tells them (CSP Level 3, "hash-source")."""
    found = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), page(), re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(content).digest()).decode("ascii") for content in found)
    return " ".join(f"'sha256-{digest}'" for digest in digests)
