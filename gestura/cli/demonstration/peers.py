"""Simulated providers: who they are to a client, and what they say."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from gestura.config import ProviderSettings
from gestura.simulator import Scenario

__all__ = ["Peer", "settings_of"]


@attrs.frozen(kw_only=True)
class Peer:
    """One provider, played by the simulator.

    Args:
        name: in the client's configuration.
        kind: how it is asked and read.
        scenario: what it says, under the name of its model.
    """

    name: str
    kind: str
    scenario: Scenario


def settings_of(peers: Iterable[Peer], url: str) -> dict[str, ProviderSettings]:
    """How a client reaches `peers`, which a simulator plays at `url`: the providers of its configuration."""
    return {
        peer.name: ProviderSettings(kind=peer.kind, model=peer.scenario.model, api_key="sk-simulated", base_url=url)
        for peer in peers
    }
