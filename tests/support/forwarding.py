"""A proxy that can be cut and mended, as cables can."""

import contextlib
import socket
import threading
from collections.abc import Iterator

BUFFER = 65536


class Proxy:
    """Forwards connections to a port of this machine while it is whole.

    Attributes:
        url: What a browser opens.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._whole = True
        self._open: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection and take no other."""
        self._whole = False
        for end in list(self._open):
            _end(end)

    def mend(self) -> None:
        """Take connections again."""
        self._whole = True

    def close(self) -> None:
        """Cut for good."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                if not self._whole:
                    _end(near)
                    continue
                far = socket.create_connection(self._target)
                self._open |= {near, far}
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(BUFFER):
                target.sendall(data)
        for end in (source, target):
            _end(end)
            self._open.discard(end)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextlib.contextmanager
def proxy_to(url: str) -> Iterator[Proxy]:
    """A proxy in front of the server at ``url``."""
    proxy = Proxy(int(url.rpartition(":")[2]))
    try:
        yield proxy
    finally:
        proxy.close()
