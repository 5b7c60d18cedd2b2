"""What `gestura serve` is told: where it listens, who may ask, how much, and for how long.

A table `serve` of the configuration file holds the same names:

    [serve]
    port = 8080
    requests_per_minute = 60

    [serve.keys]
    alice = "…"
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import attrs
from attrs.validators import ge, gt, le, optional

from gestura.errors import ConfigError

__all__ = ["KEYS_VARIABLE", "REDIS_VARIABLE", "ServeSettings", "is_loopback", "keys_told_by"]

KEYS_VARIABLE: Final = "GESTURA_SERVE_KEYS"
"""The environment variable with keys of callers, `NAME=KEY` each, commas between them."""

REDIS_VARIABLE: Final = "GESTURA_REDIS_URL"
"""The environment variable with the address of Redis."""

SHORTEST_KEY: Final = 16
"""Characters. Shorter ones can be guessed."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}")


@attrs.frozen(kw_only=True)
class ServeSettings:
    """How the HTTP service behaves.

    Args:
        host: the address to listen on. Only this machine reaches a loopback address.
        port: 0 picks a free one.
        redis_url: where published streams are kept, so that any number of services share them; in memory, for this
            process alone, where it is `None`. Not shown by `repr`, as it may hold a password.
        redis_prefix: what all names in Redis begin with.
        keys: the key of each caller, by the caller's name; where there are none, everybody may ask. Not shown by
            `repr`.
        allow_anyone: listen on an address that other machines reach, though there are no keys.
        hosts: names under which requests may come. `localhost` and plain addresses always may; and where there are
            keys any name may, unless some are told here.
        origins: web pages elsewhere, such as `https://chat.example.com`, that may use this service.
        max_concurrent_streams: so many streams of one caller run at once; further ones are refused.
        requests_per_minute: so many streams one caller may begin in a minute; further ones are refused.
        max_body_bytes: longer bodies are refused.
        heartbeat: seconds of silence after which a comment is sent to followers, so that no proxy takes the connection
            for dead.
        drain: seconds that running streams may take to finish when the service is told to end.
        worker: run what is asked in this process, too; without it, other processes with the same Redis have to.
        worker_streams: how many streams this process runs at once; others wait their turn.
    """

    host: str = "127.0.0.1"
    port: int = attrs.field(default=8765, validator=[ge(0), le(65535)])
    redis_url: str | None = attrs.field(default=None, repr=False)
    redis_prefix: str = "gestura"
    keys: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    allow_anyone: bool = False
    hosts: tuple[str, ...] = attrs.field(default=())
    origins: tuple[str, ...] = attrs.field(default=())
    max_concurrent_streams: int | None = attrs.field(default=None, validator=optional(ge(1)))
    requests_per_minute: int | None = attrs.field(default=None, validator=optional(ge(1)))
    max_body_bytes: int = attrs.field(default=32 * 1024 * 1024, validator=ge(1))
    heartbeat: float = attrs.field(default=15.0, validator=gt(0))
    drain: float = attrs.field(default=30.0, validator=ge(0))
    worker: bool = True
    worker_streams: int = attrs.field(default=100, validator=ge(1))

    @keys.validator
    def _check_keys(self, _attribute: object, value: Mapping[str, str]) -> None:
        for name, key in value.items():
            if not _NAME.fullmatch(name):
                raise ConfigError("keys: a caller's name is 1 to 40 letters, digits, '_' and '-'")
            if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
                raise ConfigError(
                    f"keys: the key of {name!r} is to be at least {SHORTEST_KEY} printable ASCII characters without "
                    "blanks (the value is not shown here)"
                )
        if len(set(value.values())) < len(value):
            raise ConfigError("keys: two callers have the same key")

    @hosts.validator
    def _check_hosts(self, _attribute: object, value: tuple[str, ...]) -> None:
        for host in value:
            if not _HOST.fullmatch(host):
                raise ConfigError(f"hosts: {host!r} is no name of a machine, such as chat.example.com (without a port)")

    @origins.validator
    def _check_origins(self, _attribute: object, value: tuple[str, ...]) -> None:
        for origin in value:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != origin:
                raise ConfigError(f"origins: {origin!r} is no origin, such as https://chat.example.com")

    def check_reach(self) -> None:
        """See to it that nobody else is served by oversight.

        Raises:
            ConfigError: other machines would reach a service that asks nobody for a key.
        """
        if not (self.keys or self.allow_anyone or is_loopback(self.host)):
            raise ConfigError(
                f"host: other machines reach {self.host}, and there are no keys: anyone could ask at your cost. Give "
                f"callers keys, in [serve.keys] or {KEYS_VARIABLE}, or allow it outright with allow_anyone"
            )
        if not self.worker and self.redis_url is None:
            raise ConfigError("worker: without Redis there is no other process that could do the work")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.com")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def keys_told_by(environment: Mapping[str, str]) -> dict[str, str]:
    """The keys of callers that the environment tells, by their names.

    Raises:
        ConfigError: an item is not `NAME=KEY`; it is not shown.

    >>> keys_told_by({"GESTURA_SERVE_KEYS": "alice=0123456789abcdef, bob=fedcba9876543210"})
    {'alice': '0123456789abcdef', 'bob': 'fedcba9876543210'}
    """
    keys = {}
    for item in filter(None, map(str.strip, environment.get(KEYS_VARIABLE, "").split(","))):
        name, equals, key = item.partition("=")
        if not equals:
            raise ConfigError(f"{KEYS_VARIABLE}: expected NAME=KEY, with commas between several (not shown here)")
        keys[name.strip()] = key.strip()
    return keys
