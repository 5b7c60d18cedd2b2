"""What a client is told: which providers, with which keys and models, and how long to wait for them."""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

import attrs
from attrs.validators import ge, in_, le, optional

from gestura.chat_dialect import ChatDialect
from gestura.environment import VARIABLES, told_by
from gestura.errors import ConfigError, ErrorKind
from gestura.limits import Limits

__all__ = ["AfterOutput", "ProviderSettings", "RetryPolicy", "StreamingConfig", "Timeouts", "TransportName"]

TransportName = Literal["trio_asyncio", "thread"]
"""Where aiohttp's asyncio loop runs: inside the caller's `trio.run`, on trio-asyncio, or in a thread of its own."""


_TOKEN: Final = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
"""What the name of a header is made of (RFC 9110, section 5.6.2)."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no value may hold (section 5.5): a line break would end the header, and begin another."""


@attrs.frozen(kw_only=True)
class ProviderSettings:
    """How to reach one provider.

    Args:
        kind: which wire format it speaks: a key of `gestura.providers.BUILTIN_PROVIDERS`, or one of your own.
        model: the model asked where a request names none.
        api_key: never shown by `repr`. Blank for servers that need none.
        base_url: where it is; `None` is the provider's own.
        allow_plain_http: a key or headers may go to another machine in the clear, for `base_url` says `http`. For a
            network that you trust; without it, such a request is refused.
        headers: further request headers; not shown by `repr`, as they may hold secrets.
        context_window: how many tokens a conversation may hold there, where a server has made less room than the model
            has; the share of it that is told as used goes by this. `None` is what `gestura.context_window` knows.
        max_concurrent_streams: so many streams of a client ask this provider at once; others wait their turn, in order.
        requests_per_minute: so many requests a client makes in a minute; others wait.
        tokens_per_minute: no request while the answers of the last minute took more.
        think_tags: names of the tags that enclose reasoning in this provider's text; none switches the parser off.
            `None` is the habit of the wire format: `think` where open models are served by it, else none.
        starts_thinking: the text opens inside reasoning, without an opening tag: some servers' chat templates write it.
        think: whether a model that can think shall, where the provider has a switch for it (Ollama); `None` leaves it
            to the provider.
        thinking_budget_tokens: how many tokens an Anthropic model may spend on thinking, at least 1024, where a request
            says nothing of `reasoning`; `None` leaves it to the provider.
        dialect: how a server of Chat Completions differs from OpenAI's own.
    """

    kind: str
    model: str
    api_key: str = attrs.field(default="", repr=False)
    base_url: str | None = None
    allow_plain_http: bool = False
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    context_window: int | None = attrs.field(default=None, validator=optional(ge(1)))
    max_concurrent_streams: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    think_tags: tuple[str, ...] | None = None
    starts_thinking: bool = False
    think: bool | None = None
    thinking_budget_tokens: int | None = attrs.field(default=None, validator=optional(ge(1024)))
    dialect: ChatDialect = attrs.field(factory=ChatDialect)

    @api_key.validator
    def _check_api_key(self, _attribute: object, value: str) -> None:
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise ConfigError(
                "api_key: a key is printable ASCII without blanks around it (the value is not shown here)"
            )

    @headers.validator
    def _check_headers(self, _attribute: object, value: Mapping[str, str]) -> None:
        for name, content in value.items():
            if not isinstance(name, str) or not _TOKEN.fullmatch(name):
                raise ConfigError(
                    "headers: a name is made of letters, digits and hyphens, such as X-Team (one that is not is not "
                    "shown here)"
                )
            if not isinstance(content, str) or _CONTROL.search(content):
                raise ConfigError(
                    f"headers: the value of {name!r} is to be one line of text, without control characters or a line "
                    "break at its end (the value is not shown here)"
                )


@attrs.frozen(kw_only=True)
class Timeouts:
    """The four deadlines of a stream, in seconds; `None` is off.

    Args:
        connect: until a connection stands, TLS included.
        first_content: from there to the first content (text, thinking, a tool call). Reasoning models are silent long.
        idle: between one piece of content and the next. Pings, comments and empty deltas are no content; time that
            our own consumer takes does not count.
        total: the whole stream. Off: a long answer that keeps coming is a healthy one.
    """

    connect: float | None = 10.0
    first_content: float | None = 300.0
    idle: float | None = 120.0
    total: float | None = None


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often to ask one provider, and how long to wait between.

    The delay before retry n is `initial_delay * multiplier ** (n - 1)`, at most `max_delay`, then varied at random by
    up to `jitter` of itself either way, so that many clients do not come back at once.

    Args:
        max_attempts: requests to one provider, the first included.
        initial_delay: seconds before the first retry.
        max_delay: seconds, before the jitter.
        multiplier: growth from one retry to the next.
        jitter: a share from 0 to 1.
    """

    max_attempts: int = attrs.field(default=3, validator=ge(1))
    initial_delay: float = attrs.field(default=1.0, validator=ge(0))
    max_delay: float = attrs.field(default=8.0, validator=ge(0))
    multiplier: float = attrs.field(default=2.0, validator=ge(1))
    jitter: float = attrs.field(default=0.25, validator=[ge(0), le(1)])


class AfterOutput(enum.Enum):
    """What to do when an answer breaks off that the user has seen a part of."""

    END = "end"
    """End the stream with an error; the part that was shown stands."""

    RESTART = "restart"
    """Ask anew, as after a failure with nothing shown; `RetryAttempt.discard` tells the user to forget what came. Never
    after a tool call."""

    CONTINUE = "continue"
    """Ask for the rest, giving the model what it said so far; where it has shown no text yet, as with `RESTART`. Never
    after a tool call."""


@attrs.frozen(kw_only=True)
class StreamingConfig:
    """Everything a client is told.

    Args:
        primary: the name of the provider that is asked, a key of `providers`.
        fallback: the names of those that are asked when the primary fails, in this order.
        providers: settings by name. Names are the user's to choose.
        retry: how often to ask one of them.
        after_output: what to do when an answer breaks off that the user has seen a part of. Silent repetition is none
            of the choices.
        hedge_after: seconds without a first word after which the next provider is asked beside the first; whoever
            speaks first is heard. `None` asks one after another.
        timeouts: how long to wait.
        limits: how much to hold.
        transport: which transport a client opens. `None` is `trio_asyncio` where that imports, on Python 3.11 to 3.13,
            and `thread` on 3.14 and newer.
        unavailable: by the name of a provider that somebody told of and that can't be asked: why, in words, which are
            the error of a stream that asks it. A configuration that is read has these; an entry of `providers` goes
            before.
        fused: one actor runs all stages of a stream, instead of one for each: the same chunks for a little less time
            and memory, where a fault in a stage need not be told from one in another.
    """

    primary: str = "openai"
    fallback: tuple[str, ...] = ()
    providers: Mapping[str, ProviderSettings] = attrs.field(factory=dict)
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    after_output: AfterOutput = AfterOutput.END
    hedge_after: float | None = None
    timeouts: Timeouts = attrs.field(factory=Timeouts)
    limits: Limits = attrs.field(factory=Limits)
    transport: TransportName | None = attrs.field(default=None, validator=optional(in_(get_args(TransportName))))
    fused: bool = False
    unavailable: Mapping[str, str] = attrs.field(factory=dict)

    def with_model(self, name: str, model: str) -> StreamingConfig:
        """A copy with another model for the provider called `name`."""
        if name not in self.providers:
            return self
        changed = attrs.evolve(self.providers[name], model=model)
        return attrs.evolve(self, providers={**self.providers, name: changed})

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> StreamingConfig:
        """The configuration that the environment describes, in the variables of the providers' official packages.

        Each of `openai`, `anthropic`, `gemini` and `grok` whose key is there is configured, and `ollama` always is. The
        primary one is the first, in this order, that a variable tells of; where none does it is `openai`, whose error
        then says what to set. `gestura.environment.VARIABLES` is the table. Each of the `Limits` has a variable, too:
        `GESTURA_MAX_FRAME_BYTES` and so on.

        Raises:
            ConfigError: a key is not one, or a limit is no number above zero; the message names its variable.
        """
        providers, told = {}, []
        for name, variables in VARIABLES.items():
            said = told_by(environment, name)
            values = {setting: value for setting, (value, _variable) in said.items()}
            if variables.needs_key and "api_key" not in values:
                continue
            try:
                providers[name] = ProviderSettings(
                    kind=name,
                    model=values.get("model", variables.default_model),
                    api_key=values.get("api_key", ""),
                    base_url=values.get("base_url"),
                )
            except ConfigError as error:
                raise ConfigError(f"{said['api_key'][1]}: {str(error).removeprefix('api_key: ')}") from error
            if values:
                told.append(name)
        limits = {name: value for name, (value, _variable) in limits_told_by(environment).items()}
        return cls(primary=next(iter(told), "openai"), providers=providers, limits=Limits(**limits))


def limits_told_by(environment: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """What the environment says of the limits: value and variable by the name of the limit.

    Raises:
        ConfigError: a value is no whole number above zero.

    >>> limits_told_by({"GESTURA_MAX_TOOL_CALLS": "9"})
    {'max_tool_calls': (9, 'GESTURA_MAX_TOOL_CALLS')}
    """
    told = {}
    for field in attrs.fields(Limits):
        variable = f"GESTURA_{field.name.upper()}"
        if value := environment.get(variable, "").strip():
            if not (value.isascii() and value.isdecimal() and len(value) < 19 and int(value)):
                raise ConfigError(f"{variable}: {value!r} is no whole number above zero", kind=ErrorKind.BAD_REQUEST)
            told[field.name] = (int(value), variable)
    return told
