"""A line to Redis: one connection at a time, opened when it is needed and again when it broke.

All tasks of a process share a line. Their commands go out together and are answered in their order, so one connection
serves any number of them. What may be well the next time is `LogUnreachable`; the next command finds a new connection.
What Redis refuses for good is a `RelayError` in its own words. A server that is silent is noticed by a ping, not by
each command's own clock.

The connections are coredis's, its pool is not used: in version 6.9 a pool loses a place each time that a task is
cancelled while it connects or waits for a blocked read, until none is left.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import traceback
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import attrs
import trio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from coredis.connection import BaseConnection
from coredis.exceptions import (
    AuthenticationFailureError,
    AuthenticationRequiredError,
    AuthorizationError,
    InvalidResponse,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    UnknownCommandError,
    WrongTypeError,
)
from coredis.pool import ConnectionPool

from gestura._actors.groups import bare_errors
from gestura.errors import ConfigError
from gestura.relay.log import LogUnreachable, RelayError

__all__ = ["RedisAddress", "RedisLine", "Script"]

Value = str | bytes | int | float

_TLS_OPTIONS: Final = {"ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"}


_FOR_GOOD: Final = (WrongTypeError, AuthorizationError, UnknownCommandError)
"""What Redis refuses today it refuses tomorrow. A full memory or a replica, for one, may be otherwise soon."""


class RedisAddress:
    """Where Redis is, and how to log in. Shown without the password.

    Args:
        url: `redis://[[user]:password@]host[:port][/database]`, `rediss://…` for TLS, or `unix://path` of a socket,
            with `?db=1` for a database. What is special in the password is percent-encoded. A TLS certificate is
            checked, with the host's name, unless `?ssl_cert_reqs=none`; `ssl_ca_certs`, `ssl_certfile` and
            `ssl_keyfile` name files.

    Raises:
        ConfigError: it can be none.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ConfigError("the address of Redis has a host or a port that can be none") from None
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise ConfigError("the address of Redis has to begin with redis://, rediss:// or unix://")
        if parts.scheme == "unix":
            self._shown = f"unix://{parts.path}"
            if parts.hostname or not parts.path:
                raise ConfigError("the address of Redis is no path of a socket, as in unix:///run/redis.sock")
        else:
            self._shown = f"{parts.scheme}://{parts.hostname}:{port or 6379}{parts.path}"
            if not parts.hostname:
                raise ConfigError("the address of Redis names no host, as in redis://localhost:6379")
            if not re.fullmatch(r"(/\d*)?", parts.path, re.ASCII):
                raise ConfigError(f"the address of Redis ends in {parts.path!r}, and a database is a number, as in /0")
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        allowed = _TLS_OPTIONS if parts.scheme == "rediss" else {"db"} if parts.scheme == "unix" else set()
        if unknown := sorted(set(options) - allowed):
            raise ConfigError(f"the address of Redis has an option that is not known there: {unknown[0]}")
        if parts.scheme == "rediss" and options.get("ssl_cert_reqs") != "none":
            options = {"ssl_check_hostname": "true", "ssl_cert_reqs": "required", **options}
        try:
            self._parsed: ConnectionPool[Any] = ConnectionPool.from_url(
                parts._replace(query=urlencode(options)).geturl(), decode_components=True
            )
        except (ValueError, KeyError, OSError, ssl.SSLError) as error:
            raise ConfigError(f"the address of Redis ({self._shown}) can't be used: {type(error).__name__}") from None
        password = self._parsed.connection_kwargs.get("password")
        self._secrets = {secret for secret in (password, parts.password) if secret}

    def __str__(self) -> str:
        return self._shown

    def connection(self) -> BaseConnection:
        """A connection that is to be opened, by `run`."""
        assert self._parsed.location is not None  # noqa: S101  # for mypy: every address has one
        connection: BaseConnection = self._parsed.connection_class(
            self._parsed.location, **self._parsed.connection_kwargs
        )
        return connection

    def unreachable(self, error: Exception) -> LogUnreachable:
        """What went wrong there, with its cause; without it, should that repeat the password."""
        unreachable = LogUnreachable(self._told(error))
        unreachable.__cause__ = None if self._repeats_a_secret(error) else error
        return unreachable

    def refusal(self, error: Exception) -> RelayError:
        """As `unreachable`, for what need not be tried again."""
        refusal = RelayError(self._told(error))
        refusal.__cause__ = None if self._repeats_a_secret(error) else error
        return refusal

    def _repeats_a_secret(self, error: Exception) -> bool:
        told = "".join(traceback.format_exception(error))
        return any(secret in told for secret in self._secrets)

    def _told(self, error: Exception) -> str:
        what = "refuses" if isinstance(error, ResponseError) else "can't be used"
        if self._repeats_a_secret(error):
            return f"Redis at {self} {what}: {type(error).__name__}"
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        why = dict.fromkeys(str(each) or type(each).__name__ for each in (error, root))
        return f"Redis at {self} {what}: {': '.join(why)}"


def _mistake(error: BaseException | None) -> str | None:
    """What is wrong with an address or a server, if a connection failed for what no waiting mends."""
    while error is not None:
        match error:
            case AuthenticationFailureError():
                return "the user name or the password is wrong"
            case AuthenticationRequiredError():
                return "it wants a password, as in redis://:PASSWORD@host"
            case AuthorizationError():
                return "the user may not do what is needed"
            case ResponseError() if "DB index is out of range" in str(error):
                return "it has no database of this number"
            case InvalidResponse():
                return "what answers there is not Redis"
            case UnknownCommandError():
                return "what answers there is not Redis, or is older than 7.0"
            case ssl.SSLCertVerificationError():
                return f"its certificate is refused: {error.verify_message}"
            case ssl.SSLWantReadError():
                return "it does not answer in TLS, as for rediss://; without TLS it is redis://"
            case ssl.SSLError(reason="WRONG_VERSION_NUMBER"):
                return "it does not speak TLS, as for rediss://; without TLS it is redis://"
        error = error.__cause__ or error.__context__
    return None


def _word(word: Value) -> bytes | int | float:
    """A word that can be sent: one that can't is its sender's bug, and would break the connection for all others."""
    if isinstance(word, str):
        return word.encode()
    if not isinstance(word, bytes | int | float):
        raise TypeError(f"Redis takes no {type(word).__name__}")
    return word


class Script:
    """A Lua script: one step that nobody sees the middle of.

    Args:
        source: its text.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.sha: str = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


@attrs.define(eq=False)
class _Opening:
    """An attempt to open a connection, for which several tasks may wait."""

    over: trio.Event = attrs.field(factory=trio.Event)
    error: LogUnreachable | None = None


class RedisLine:
    """A line to Redis.

    Args:
        address: where it is.
        nursery: where its tasks run, until it is cancelled.
        answer_seconds: a server that does not answer a ping for so long is out of reach.
    """

    def __init__(self, address: RedisAddress, nursery: trio.Nursery, answer_seconds: float) -> None:
        self._address = address
        self._nursery = nursery
        self._answer_seconds = answer_seconds
        self._connection: BaseConnection | None = None
        self._opening: _Opening | None = None
        self._mistake: str | None = None

    async def check(self) -> None:
        """Try to connect, to see whether that can work. A server that is out of reach may be there later.

        Raises:
            ConfigError: it can't.
        """
        try:
            await self.connected()
        except LogUnreachable:
            if self._mistake is not None:
                raise ConfigError(f"Redis at {self._address} can't be used: {self._mistake}") from None

    async def connected(self) -> BaseConnection:
        """A connection that can be used now.

        Raises:
            LogUnreachable: there can be none.
        """
        while True:
            if self._connection is not None and self._connection.usable:
                return self._connection
            if self._opening is None:
                self._opening = _Opening()
                self._nursery.start_soon(self._hold, self._opening)
            opening = self._opening
            await opening.over.wait()
            if opening.error is not None:
                raise LogUnreachable(str(opening.error)) from opening.error.__cause__

    async def ask(self, *commands: Sequence[Value], undisturbed: bool = False) -> list[Any]:
        """The answers to commands, which go out at once. They are obeyed in their order, others' perhaps between.

        Args:
            commands: each as its words.
            undisturbed: once they went out, no cancellation keeps the answers from coming back.

        Raises:
            LogUnreachable: some were not answered, or refused for now.
            RelayError: some were refused for good.
        """
        checked = [(str(name).encode(), [_word(word) for word in rest]) for name, *rest in commands]
        connection = await self.connected()
        answers: list[Any] = []
        try:
            requests = [connection.create_request(name, *rest) for name, rest in checked]
            with trio.CancelScope(shield=undisturbed):
                answers = [await request for request in requests]
        except Exception as error:  # noqa: BLE001  # whatever broke the connection fails what was asked over it
            if isinstance(error, _FOR_GOOD):
                raise self._address.refusal(error)  # noqa: B904  # it has its cause, if it may
            if isinstance(error, ReadOnlyError):  # a replica now: whoever took its place may have its address
                connection.invalidate()
            raise self._address.unreachable(error)  # noqa: B904  # as above
        return answers

    async def run(
        self, script: Script, keys: Sequence[str], words: Sequence[Value] = (), *, undisturbed: bool = False
    ) -> Any:
        """What a script returns.

        Args:
            script: which one. It is loaded where Redis does not know it.
            keys: its `KEYS`.
            words: its `ARGV`.
            undisturbed: as in `ask`.

        Raises:
            LogUnreachable: as in `ask`.
        """
        call = (len(keys), *keys, *words)
        try:
            (answer,) = await self.ask(("EVALSHA", script.sha, *call), undisturbed=undisturbed)
        except LogUnreachable as error:
            if not isinstance(error.__cause__, NoScriptError):
                raise
            (answer,) = await self.ask(("EVAL", script.source, *call), undisturbed=undisturbed)
        return answer

    async def _hold(self, opening: _Opening) -> None:
        """Open a connection, and have it watched until it breaks."""
        connection = self._address.connection()
        try:
            with bare_errors():
                async with trio.open_nursery() as nursery:
                    with trio.fail_after(self._answer_seconds):
                        await nursery.start(connection.run)
                    self._connection = connection
                    self._over(opening, None)
                    await self._watch(connection)
                    nursery.cancel_scope.cancel()
        except (RedisError, OSError, trio.TooSlowError) as error:
            self._mistake = _mistake(error)
            self._over(opening, self._address.unreachable(error))
        finally:
            self._over(opening, LogUnreachable(f"the line to Redis at {self._address} was closed"))
            for part in vars(connection).values():  # a connection that never came about leaves them open
                if isinstance(part, MemoryObjectSendStream | MemoryObjectReceiveStream):
                    part.close()

    def _over(self, opening: _Opening, error: LogUnreachable | None) -> None:
        if not opening.over.is_set():
            opening.error = error
            opening.over.set()
            self._opening = None

    async def _watch(self, connection: BaseConnection) -> None:
        """Return when the connection is broken, or the server silent.

        It is listened to twice: where this process was too busy for it, the answer is there by the second time.
        """
        while connection.usable:
            await trio.sleep(self._answer_seconds / 2)
            try:
                ping = connection.create_request(b"PING")
                for _ in range(2):
                    with trio.move_on_after(self._answer_seconds / 2) as waiting:
                        await ping
                    if not waiting.cancelled_caught:
                        break
                else:
                    return
            except RedisError:
                return
