"""A Redis server of the tests' own: on a free port, in a directory of its own, killed and started as a test wants."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["NO_REDIS", "RedisServer", "running_redis"]

NO_REDIS = "redis-server is not installed (Debian: apt-get install redis-server)"


class RedisServer:
    """One server. What is durable is written to a file before it is answered, so it outlives the server's process.

    It does without fsync, which would have it outlive the machine, and takes up to half a second on a busy disk.
    """

    def __init__(self, directory: Path, program: str, *, durable: bool) -> None:
        self._directory = directory
        self._program = program
        self._options = ["--appendonly", "yes" if durable else "no", "--appendfsync", "no", "--save", ""]
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and return when it answers. It keeps its port; the first time one is found."""
        for _ in range(5):
            port = self.port or _free_port()
            where = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(self._directory)]
            self._process = subprocess.Popen(
                [self._program, *where, *self._options],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if self._answers(port):
                self.port = port
                return
            self.kill()
        raise RuntimeError("redis-server does not start")

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _answers(self, port: int) -> bool:
        assert self._process is not None
        end = time.monotonic() + 10
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(5) == b"+PONG":
                        return True
            except OSError:
                pass
            time.sleep(0.02)
        return False


@contextmanager
def running_redis(directory: Path, *, durable: bool = False) -> Iterator[RedisServer | None]:
    """A server, until the block is left; `None` where there is no program for one."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    server = RedisServer(directory, program, durable=durable)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
