"""Help for the tests of those who use gestura, or extend it: no network, no key, no waiting.

For applications: `scripted_client` answers in memory what a test means, `Strike` makes it fail where the test wants,
`run_in_virtual_time` makes hours pass, and assertions say what holds for every stream. For extensions: `check_stage`,
`check_provider` and `check_transport`. See docs/testing.md.
"""

from __future__ import annotations

from gestura.simulator.faults import HttpError
from gestura.simulator.scenario import Comment, Sending, StreamError
from gestura.testing.assertions import assert_calls_contiguous, assert_ends_once
from gestura.testing.faults import CutOff, Phase, Strike
from gestura.testing.network import NetworkFault, Part, Rewrite
from gestura.testing.providers import check_provider
from gestura.testing.proxy import FaultyProxy, open_faulty_proxy
from gestura.testing.replay import replay
from gestura.testing.replies import Reply, reply
from gestura.testing.scripted import ScriptedModel, scripted_client
from gestura.testing.stages import check_stage, merged, run_inline, split
from gestura.testing.transports import check_transport
from gestura.testing.virtual_time import deterministic, run_in_virtual_time
from gestura.transport.scripted import Break, Hang, ScriptedExchange, ScriptedTransport, Wait

__all__ = [
    "Break",
    "Comment",
    "CutOff",
    "FaultyProxy",
    "Hang",
    "HttpError",
    "NetworkFault",
    "Part",
    "Phase",
    "Reply",
    "Rewrite",
    "ScriptedExchange",
    "ScriptedModel",
    "ScriptedTransport",
    "Sending",
    "StreamError",
    "Strike",
    "Wait",
    "assert_calls_contiguous",
    "assert_ends_once",
    "check_provider",
    "check_stage",
    "check_transport",
    "deterministic",
    "merged",
    "open_faulty_proxy",
    "replay",
    "reply",
    "run_in_virtual_time",
    "run_inline",
    "scripted_client",
    "split",
]
