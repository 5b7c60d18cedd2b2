"""`check_provider` passes gestura's own providers, and finds what is wrong with others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from gestura import FinishReason, ProviderSettings, Request, Text
from gestura.limits import Limits
from gestura.messages import user
from gestura.providers import BUILTIN_PROVIDERS, Provider
from gestura.providers.openai_chat import OpenAIChat
from gestura.simulator.scenario import Scenario
from gestura.simulator.voices import VOICES
from gestura.stages import Stage
from gestura.stages.deltas import Delta, Finish, Frame, Terminal
from gestura.stages.ndjson import NdjsonFramer
from gestura.testing import check_provider, merged
from gestura.transport import HttpRequest

SETTINGS = ProviderSettings(kind="openai_chat", model="m", api_key="sk-secret")


@pytest.mark.parametrize("wire", VOICES)
def test_our_own_providers_pass(wire: str) -> None:
    """Each built-in provider reads its wire format wherever it is cut, cut off or damaged."""
    scenario = Scenario(model="m", steps=(Text("Hé!"),))
    provider = BUILTIN_PROVIDERS[wire](attrs.evolve(SETTINGS, kind=wire))
    body = b"".join(VOICES[wire].render(scenario, {}))

    assert Text("Hé!") in merged(check_provider(provider, body))


class Lines:
    """A wire format for these tests: each line is text, and `END` is the end."""

    def feed(self, batch: Sequence[Frame]) -> list[Delta]:
        return [each for frame in batch for each in self.read(frame)]

    def read(self, frame: Frame) -> list[Delta]:
        return [Finish(FinishReason.STOP), Terminal()] if frame.data == "END" else [Text(frame.data)]

    def close(self) -> list[Delta]:
        return []


@attrs.frozen
class Plain:
    """A sound provider of that wire format; the others below each break one promise."""

    settings: ProviderSettings = SETTINGS
    think_tags: tuple[str, ...] = ()

    def ask(self, request: Request) -> HttpRequest:
        return HttpRequest(url="https://plain.test", headers={"accept": "text/plain"}, body=b"{}")

    def framing(self, limits: Limits) -> Stage[bytes, Frame]:
        return NdjsonFramer(limits)

    def decoder(self) -> Stage[Frame, Delta]:
        return Lines()


def test_a_sound_provider_passes() -> None:
    """A provider of a wire format of one's own passes, and what it read is given back."""
    *said, _ = check_provider(Plain(), b"Hello\nthere\nEND\n", prompt=[user("Hi")])

    assert [Text("Hellothere")] == merged(said)


class ShowsKey(Plain):
    def ask(self, request: Request) -> HttpRequest:
        return HttpRequest(url="https://plain.test?key=sk-secret", headers={"Accept": "text/plain"})


class AcceptsAnything(Plain):
    def ask(self, request: Request) -> HttpRequest:
        return HttpRequest(url="https://plain.test")


class SeesReads(Plain):
    """Takes each read for a line."""

    def framing(self, limits: Limits) -> Stage[bytes, Frame]:
        class Reads(Lines):
            def feed(self, batch: Sequence[bytes]) -> list[Frame]:
                return [Frame(line) for read in batch for line in read.decode().splitlines()]

        return Reads()


class EndsAnywhere(Plain):
    """Takes the end of the input for the end of the answer."""

    def decoder(self) -> Stage[Frame, Delta]:
        class Trusting(Lines):
            def close(self) -> list[Delta]:
                return [Terminal()]

        return Trusting()


class Crashes(Plain):
    """Can't read what is no word."""

    def decoder(self) -> Stage[Frame, Delta]:
        class Fragile(Lines):
            def read(self, frame: Frame) -> list[Delta]:
                if not frame.data.isprintable():
                    raise KeyError(frame.data)
                return super().read(frame)

        return Fragile()


class NeverEnds(Plain):
    def decoder(self) -> Stage[Frame, Delta]:
        class Endless(Lines):
            def read(self, frame: Frame) -> list[Delta]:
                return [Text(frame.data)]

        return Endless()


@pytest.mark.parametrize(
    ("provider", "problem"),
    [
        (ShowsKey, "ShowsKey shows its key"),
        (AcceptsAnything, "without `Accept`"),
        (SeesReads, "cut at"),
        (EndsAnywhere, "the first 0 bytes are taken for a whole answer"),
        (Crashes, "in the place of byte .*: a stage crashed: KeyError"),
        (NeverEnds, "the whole answer ends with Error"),
    ],
)
def test_an_unsound_provider_is_found_out(provider: Any, problem: str) -> None:
    """Each broken promise is told in words."""
    made: Provider = provider()
    with pytest.raises(AssertionError, match=problem):
        check_provider(made, b"Hello\nthere\nEND\n")


def test_the_damage_reaches_far() -> None:
    """A real wire format survives damage to every byte of an answer with everything in it."""
    delta = b'{"content":"<think>a</think>b"}'
    wire = b'data: {"choices":[{"index":0,"delta":%b,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n' % delta

    assert 3 == len(check_provider(OpenAIChat(SETTINGS), wire))
