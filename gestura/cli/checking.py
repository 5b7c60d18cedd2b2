"""Whether the configured providers answer: each is asked for a word, all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs
import trio

from gestura._client import Client
from gestura._open_client import open_client
from gestura.chunks import Error
from gestura.config import StreamingConfig
from gestura.conversation import Request
from gestura.errors import StreamFailed
from gestura.messages import user
from gestura.request_options import Sampling

__all__ = ["Finding", "check_providers"]

TOKENS_TO_ASK_FOR: Final = 16
"""OpenAI refuses to be asked for fewer."""

PATIENCE: Final = 30.0
"""Seconds to wait for one provider's answer."""


@attrs.frozen(kw_only=True)
class Finding:
    """What came of asking one provider.

    Args:
        provider: its name.
        ok: it answered.
        model: that answered.
        seconds: the answer took.
        kind: of the failure, as in `Error`, or `context_overflow`.
        problem: the failure in words.
    """

    provider: str
    ok: bool
    model: str | None = None
    seconds: float
    kind: str | None = None
    problem: str | None = None


async def check_providers(config: StreamingConfig, names: Sequence[str], tell: Callable[[Finding], None]) -> bool:
    """Ask all of `names` at once, once each; whether all answered.

    Args:
        config: how to reach them.
        names: whom to ask.
        tell: is told each finding as it comes.
    """
    impatient = attrs.evolve(
        config,
        fallback=(),
        hedge_after=None,
        retry=attrs.evolve(config.retry, max_attempts=1),
        timeouts=attrs.evolve(config.timeouts, total=PATIENCE),
    )
    findings: list[Finding] = []

    async def ask(client: Client, name: str) -> None:
        finding = await _ask(client, name)
        findings.append(finding)
        tell(finding)

    async with open_client(impatient) as client, trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(ask, client, name)
    return all(finding.ok for finding in findings)


async def _ask(client: Client, name: str) -> Finding:
    request = Request(messages=[user("Say: ok")], sampling=Sampling(max_output_tokens=TOKENS_TO_ASK_FOR))
    began = trio.current_time()
    try:
        answer = await client.ask(request, provider=name)
    except StreamFailed as failure:
        kind = failure.ending.kind.value if isinstance(failure.ending, Error) else "context_overflow"
        seconds = trio.current_time() - began
        return Finding(provider=name, ok=False, seconds=seconds, kind=kind, problem=str(failure))
    return Finding(provider=name, ok=True, seconds=trio.current_time() - began, model=answer.done.model)
