"""Where a request goes: a base URL as users have it, and an endpoint of the provider, joined."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from gestura.errors import ConfigError

__all__ = ["check_base_url", "endpoint_url"]


def endpoint_url(
    base_url: str,
    version: str,
    path: str,
    *,
    query: str = "",
    sends_secrets: bool = True,
    allow_plain_http: bool = False,
) -> str:
    """The URL of an endpoint.

    A base URL without a path gets the API version in front of the endpoint's path; one that has a path already names
    its version, as the environment variables of the official packages do.

    Args:
        base_url: `https://api.openai.com` or `https://api.openai.com/v1/`.
        version: the version segment to add where the base URL has no path, such as `v1`; blank for an API without one.
        path: the endpoint below it, such as `chat/completions`.
        query: what the endpoint is asked with, such as `alt=sse`; a query of the base URL's own comes before it.
        sends_secrets: the request holds a key, or headers that may be one.
        allow_plain_http: it may cross the network in the clear all the same.

    Raises:
        ConfigError: the base URL is not one, holds a user name or password, or would send a secret over plain HTTP to
            another machine. The message says what would be right.

    >>> endpoint_url("https://api.openai.com", "v1", "chat/completions")
    'https://api.openai.com/v1/chat/completions'
    >>> endpoint_url("https://openrouter.ai/api/v1/", "v1", "chat/completions")
    'https://openrouter.ai/api/v1/chat/completions'
    """
    parts = check_base_url(base_url)
    host = parts.hostname or ""
    if sends_secrets and not allow_plain_http and parts.scheme == "http" and not _is_loopback(host):
        raise ConfigError(
            f"base_url: plain http to {host} would send the key in the clear; use https, or set "
            "allow_plain_http for a network that you trust"
        )
    below = f"{parts.path.strip('/') or version}/{path}".lstrip("/")
    queries = "&".join(filter(None, (parts.query, query)))
    return f"{parts.scheme}://{parts.netloc}/{below}" + (f"?{queries}" if queries else "")


def check_base_url(base_url: str) -> SplitResult:
    """The parts of a base URL.

    Raises:
        ConfigError: it is not one, or holds a user name or password.
    """
    try:
        parts = urlsplit(base_url.strip())
        _ = parts.port  # read, because that is what checks it
    except ValueError:
        raise ConfigError("base_url: the host or the port is not valid") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"base_url: expected http(s)://host[:port][/path], found scheme {parts.scheme!r}")
    if parts.username is not None or parts.password is not None:
        raise ConfigError("base_url: a user name or password does not belong in a URL; use api_key or headers")
    return parts


def is_on_this_machine(base_url: str | None) -> bool:
    """Whether a server that settings name is one of the user's own machine: its address is a loopback one."""
    return base_url is not None and _is_loopback(urlsplit(base_url.strip()).hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
