"""Which web pages may use the service: those that it serves itself, and those it was told of.

A browser runs the pages of all the world on the user's machine, where they reach what listens on loopback. Two checks
keep them out. The name that a request was sent to (`Host`) is one of ours: a page that has its own name point here
("DNS rebinding") sends that name, and an address in plain digits can't be made to point anywhere. And a request that a
page sends (`Origin`, `Sec-Fetch-Site`) comes from a page of this service, or of an origin that the settings name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final

from gestura.serve_settings import ServeSettings
from gestura.serving.refused import Refused

__all__ = ["admit", "cross_origin_headers"]

HOST: Final = re.compile(r"(\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9.-]+))(:\d+)?")
"""A `Host` header (RFC 9110, section 7.2), as far as browsers send it."""


def admit(headers: Mapping[str, str], settings: ServeSettings, *, is_page: bool = False) -> None:
    """Let a request in.

    Args:
        headers: those of the request, found whatever their case.
        settings: whom to let in.
        is_page: the page itself is asked for, which links elsewhere may lead to.

    Raises:
        Refused: it was sent to a name that is not ours, or by a page of somebody else's.
    """
    host = headers.get("Host", "")
    if not _is_ours(host, settings):
        raise Refused(
            "requests under this Host are not served; the setting hosts names those that are", status=421, code="host"
        )
    if is_page:
        return
    origin = headers.get("Origin")
    if origin in settings.origins:
        return
    elsewhere = origin is not None and origin.partition("://")[2].lower() != host.lower()
    if elsewhere or (origin is None and headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")):
        raise Refused(
            "pages of this origin may not use the service; the setting origins names those that may",
            status=403,
            code="origin",
        )


def _is_ours(host: str, settings: ServeSettings) -> bool:
    found = HOST.fullmatch(host)
    if found is None:
        return False
    name = (found["v6"] or found["name"]).lower()
    if name == "localhost" or name in map(str.lower, settings.hosts):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(settings.keys) and not settings.hosts
    return True


def cross_origin_headers(headers: Mapping[str, str], settings: ServeSettings) -> dict[str, str]:
    """What tells a browser that the page which asks may read the answer; nothing for pages that may not.

    Such a page may send whatever headers it asks to: clients of OpenAI's API have some of their own.
    """
    origin = headers.get("Origin")
    if origin is None or origin not in settings.origins:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST, DELETE",
        "Access-Control-Allow-Headers": headers.get("Access-Control-Request-Headers", ""),
        "Access-Control-Expose-Headers": "Location, Retry-After, X-Request-Id",
        "Access-Control-Max-Age": "600",
        "Vary": "Origin",
    }
