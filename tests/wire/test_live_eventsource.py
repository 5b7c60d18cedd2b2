"""Another reader of event streams, which nobody here wrote, reads them as we do: npm's `eventsource-parser`, on node.

`make live-peers` installs it. It is given the same bytes, cut at the same places, through a streaming UTF-8 decoder;
what the end of the input cut off it throws away, as the standard says, so that is left out on our side.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from live_peers import find_peer
from stages.event_streams import CASES
from strategies import Wire, cuts, sse_garbage, sse_wires

from gestura.limits import Limits
from gestura.stages.deltas import Frame
from gestura.stages.sse import SseFramer
from gestura.testing import run_inline, split

READER = """
import { createInterface } from 'node:readline'
const { createParser } = await import(process.argv[1])

for await (const line of createInterface({ input: process.stdin })) {
  const events = []
  const parser = createParser({ onEvent: (event) => events.push([event.data, event.event ?? '']) })
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  for (const read of JSON.parse(line)) parser.feed(decoder.decode(Buffer.from(read, 'base64'), { stream: true }))
  parser.feed(decoder.decode())
  console.log(JSON.stringify(events))
}
"""

Reader = Callable[[Sequence[bytes]], list[Frame]]


@pytest.fixture(scope="module")
def their_frames() -> Iterator[Reader]:
    """What the other reader makes of these reads. One process serves all tests."""
    module = find_peer("eventsource-parser", "node_modules/eventsource-parser/dist/index.js")
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not at hand")
    command = [node, "--input-type=module", "--eval", READER, module]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, answered = process.stdin, process.stdout

        def read(reads: Sequence[bytes]) -> list[Frame]:
            told.write(json.dumps([base64.b64encode(each).decode() for each in reads]) + "\n")
            told.flush()
            return [Frame(data, event) for data, event in json.loads(answered.readline())]

        yield read
        told.close()


def our_frames(reads: Sequence[bytes]) -> list[Frame]:
    return [frame for frame in run_inline(SseFramer(Limits()), ([read] for read in reads)) if frame.terminated]


@pytest.mark.parametrize("wire", [wire for wire, _ in CASES.values()], ids=CASES)
def test_it_reads_every_case_as_we_do(their_frames: Reader, wire: bytes) -> None:
    """The table of cases, whole, byte by byte, and cut in two at every position."""
    for where in [(), range(len(wire)), *((position,) for position in range(len(wire)))]:
        reads = split(wire, where)

        assert their_frames(reads) == our_frames(reads)


@given(wire=sse_garbage(), where=cuts())
def test_it_reads_garbage_as_we_do(their_frames: Reader, wire: bytes, where: tuple[int, ...]) -> None:
    """Bytes that are nearly an event stream, cut anywhere."""
    reads = split(wire, where)

    assert their_frames(reads) == our_frames(reads)


@given(written=sse_wires(), where=cuts())
def test_it_reads_what_was_written_as_we_do(their_frames: Reader, written: Wire, where: tuple[int, ...]) -> None:
    """Events of any text, written in any of the ways the standard allows."""
    reads = split(written.wire, where)

    assert their_frames(reads) == our_frames(reads) == written.frames
