"""A fake HTTP service for the time of a test."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextlib.contextmanager
def loopback(handler: type[BaseHTTPRequestHandler], **known: Any) -> Iterator[str]:
    """Answer on a free loopback port; the address, without a path.

    Args:
        handler: Answers.
        known: What it finds as attributes of its ``server``.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        for name, value in known.items():
            setattr(server, name, value)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
