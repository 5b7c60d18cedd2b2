"""The replay server, a process of its own: `python -m benchmarks.server [CERTIFICATE]`.

It listens on free loopback ports, one plain and, given a certificate with its key, one for TLS; prints them as JSON;
and serves until its standard input ends.
A thread for each connection, blocking sockets, no event loop: a write is one `send`, and what paces a workload is one
thread that sleeps to the microsecond, where an event loop would wait for whole milliseconds and make small bursts of
what should come one by one. While a workload is paced, all other threads are asleep.
"""

from __future__ import annotations

import json
import os
import random
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import cycle, islice
from typing import Final

import attrs

from benchmarks.payload import Payload, payload
from benchmarks.pinning import SERVER_CORE, pin
from benchmarks.workload import Wire, Workload

WIRES: Final[dict[bytes, Wire]] = {b"/chat/completions": "openai_chat", b"/messages": "anthropic"}
"""The wire format by the end of the path."""

WRITE_BYTES: Final = 64 * 1024
"""About how much goes into each write of a burst."""

SETTLE_SECONDS: Final = 0.3
"""Between the last request of a paced workload and its first event: clients have then done all that is not reading."""

CONNECTION_LOST: Final = (OSError, EOFError)


@attrs.define
class Gate:
    """Where the streams of one paced workload wait for each other."""

    workload: Workload
    waiting: list[tuple[socket.socket, Payload, threading.Event]] = attrs.field(factory=list)

    def play(self) -> None:
        """Send every stream's events, each stream at its own moment of the period: the same moments in every run."""
        dice = random.Random(self.workload.streams)
        period = 1 / self.workload.rate
        turns = sorted(zip((dice.random() * period for _ in self.waiting), self.waiting, strict=True), key=_first)
        gone: set[int] = set()
        start = time.perf_counter() + SETTLE_SECONDS
        for number in range(self.workload.events):
            for place, (offset, (connection, answer, _)) in enumerate(turns):
                if place in gone:
                    continue
                if (wait := start + number * period + offset - time.perf_counter()) > 0:
                    time.sleep(wait)
                try:
                    connection.sendall(answer.stamped(time.monotonic_ns()))
                except CONNECTION_LOST:
                    gone.add(place)
        for _, _, over in self.waiting:
            over.set()


def _first(pair: tuple[float, object]) -> float:
    return pair[0]


class ReplayServer:
    """Answers requests with the workloads that they name as models."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}
        self._lock = threading.Lock()

    def listen(self, tls: ssl.SSLContext | None = None) -> int:
        """Serve on a free loopback port, in threads of their own. Returns the port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        threading.Thread(target=self._accept, args=(listener, tls), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._serve, args=(connection, tls), daemon=True).start()

    def _serve(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(*CONNECTION_LOST):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with closing(connection), connection.makefile("rb") as requests:
                while True:
                    wire, workload = read_request(requests.readline, requests.read)
                    answer = payload(wire, arguments=workload.kind == "arguments")
                    connection.sendall(answer.opening)
                    self._play(connection, answer, workload)
                    connection.sendall(answer.closing)

    def _play(self, connection: socket.socket, answer: Payload, workload: Workload) -> None:
        match workload.kind:
            case "single":
                for event in islice(cycle(answer.cycle), workload.events):
                    connection.sendall(event)
            case "paced":
                over = threading.Event()
                if (gate := self._enter(workload, connection, answer, over)) is not None:
                    gate.play()
                over.wait()
            case _:
                _send_burst(connection, answer.cycle, workload.events)

    def _enter(
        self, workload: Workload, connection: socket.socket, answer: Payload, over: threading.Event
    ) -> Gate | None:
        """Wait with the other streams of the workload; the last to come gets the gate, and plays for all."""
        with self._lock:
            gate = self._gates.setdefault(workload.model, Gate(workload))
            gate.waiting.append((connection, answer, over))
            return self._gates.pop(workload.model) if len(gate.waiting) == workload.streams else None


def read_request(readline: Callable[[], bytes], read: Callable[[int], bytes]) -> tuple[Wire, Workload]:
    """What the next request asks for.

    Raises:
        EOFError: there is none.
    """
    path = readline().split(b" ")
    if len(path) != 3:  # method, path, version
        raise EOFError
    length = 0
    while line := readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    [wire] = [wire for end, wire in WIRES.items() if path[1].endswith(end)]
    return wire, Workload.of_model(json.loads(read(length))["model"])


def _send_burst(connection: socket.socket, events: tuple[bytes, ...], count: int) -> None:
    rounds = max(1, WRITE_BYTES // sum(map(len, events)))
    block = b"".join(events * rounds)
    blocks, rest = divmod(count, len(events) * rounds)
    for _ in range(blocks):
        connection.sendall(block)
    connection.sendall(b"".join(islice(cycle(events), rest)))


def main() -> None:
    """Serve until standard input ends: a parent that dies takes the server with it."""
    pin(SERVER_CORE)
    threading.stack_size(256 * 1024)
    server = ReplayServer()
    ports = {"http": server.listen()}
    for certificate in sys.argv[1:]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        ports["https"] = server.listen(tls)
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # threads that wait for a client would keep the interpreter


if __name__ == "__main__":
    main()
