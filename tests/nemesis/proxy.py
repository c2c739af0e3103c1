"""A TCP proxy of ours, between a study and a server: it can be told to behave badly for a while."""

import contextlib
import socket
import struct
import threading
import time
from types import TracebackType

CHUNK = 2**16
HALF = 40
"""Bytes of an answer after which a connection is cut."""
DELAY = 0.7


class Proxy:
    """Passes on what comes to its port.

    Modes: `passes`; `refuses` connections (they are closed at once); `stalls`: takes what it is
    sent, and passes nothing on; `resets` connections in the middle; `answers half`; `delays` every
    piece.
    """

    def __init__(self, upstream: int):
        self.upstream = upstream
        self.mode = "passes"
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._listener.close()
        self._cut()

    def behave(self, mode: str) -> None:
        """From now on; connections that are open feel it too."""
        self.mode = mode
        if mode in ("refuses", "resets"):
            self._cut()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            if self.mode in ("refuses", "resets"):
                _close(client, reset=True)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.upstream), timeout=5.0)
            except OSError:
                _close(client, reset=True)
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            for source, target, answers in ((client, server, False), (server, client, True)):
                arguments = (source, target, answers)
                threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(CHUNK):
                while self.mode == "stalls" and not self._over.is_set():
                    time.sleep(0.02)
                if self.mode == "delays":
                    self._over.wait(DELAY)
                if self.mode == "answers half" and answers:
                    target.sendall(content[:HALF])
                    break
                target.sendall(content)
        for end in (source, target):
            _close(end, reset=self.mode == "resets")
        with self._lock:
            self._open -= {source, target}

    def _cut(self) -> None:
        """Wake the threads that pass on, which then close both ends."""
        with self._lock:
            ends = [*self._open]
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RD)


def _close(end: socket.socket, reset: bool) -> None:
    """Args:
    reset: the other side shall see a connection that broke, not one that ended.
    """
    with contextlib.suppress(OSError):
        if reset:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
    end.close()
