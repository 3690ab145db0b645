"""Starts the server: binds first, opens the workspace, answers, and ends in good order."""

import contextlib
import gc
import ipaddress
import logging
import logging.handlers
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvicorn

from sonoloop.errors import ConfigError
from sonoloop.inference.shipped import SHIPPED_MODELS
from sonoloop.service.accounts import has_accounts
from sonoloop.service.logs import SERVER_LOG
from sonoloop.service.server import Service
from sonoloop.settings import PipelineSettings, ServerSettings
from sonoloop.store.paths import WorkspacePaths, make_workspace, refusals_told
from sonoloop.web.app import create_app

logger = logging.getLogger(__name__)

LOG_BYTES: Final = 5 * 2**20
LOG_FILES: Final = 3
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
GOODBYE_S: Final = 5
BACKLOG: Final = 512
UNENCRYPTED: Final = (
    "%s can be reached from other machines, and nothing sent there is encrypted: passwords and "
    "images can be read on the way (have a proxy with TLS stand in front)"
)
SWITCH_INTERVAL_S: Final = 0.001
"""Python's threads take turns this often: inference may not keep ``/info`` waiting."""

Announce = Callable[[str], None]


class _Server(uvicorn.Server):
    """Uvicorn that says when it answers."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then say so."""
        await super().startup(sockets=sockets)
        gc.collect()
        gc.freeze()  # what is there now stays: collections need not look at it again
        if self.started:
            self._announce()


def serve(
    studies: str,
    workspace: Path,
    server: ServerSettings,
    pipeline: PipelineSettings,
    *,
    announce: Announce = logger.info,
    tell: Announce = logger.info,
    behind_proxy: bool = False,
    shipped_models: Path | None = SHIPPED_MODELS,
    **open_options: Any,
) -> None:
    """Serve until the process is told to end (SIGINT or SIGTERM).

    Args:
        studies: Folder of studies or address of a DICOMweb PACS.
        workspace: Folder of everything the server writes.
        server: How it listens and what it accepts.
        pipeline: Thresholds, margins, device.
        announce: Told the address once the server answers.
        tell: Told after it what was found in the studies, a sentence each.
        behind_proxy: The operator vouches that only a proxy, which knows its users, reaches the
            port (a container, for instance); without it, and without accounts, only loopback
            addresses are taken.
        shipped_models: Published where the workspace serves no model yet.
        open_options: Passed to :meth:`Service.open`.

    Raises:
        ConfigError: If the address is public, unknown, or taken.
        StoreError: If the workspace is unusable or another server uses it.
    """
    refuse_public(
        server.host,
        behind_proxy=behind_proxy,
        has_accounts=lambda: has_accounts(workspace, open_options.get("database_url")),
    )
    with _ended_by_signals(), bind(server.host, server.port) as listener:
        configure_logging(workspace)
        if not (behind_proxy or is_loopback(server.host)):
            logger.warning(UNENCRYPTED, server.host)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        with Service.open(
            studies, workspace, server, pipeline, shipped_models=shipped_models, **open_options
        ) as service:
            config = uvicorn.Config(
                create_app(service, behind_proxy=behind_proxy),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # who called is asked by web.forwarded alone
                timeout_graceful_shutdown=GOODBYE_S,
                backlog=BACKLOG,
            )
            address = address_of(listener)

            def answers() -> None:
                announce(address)
                service.when_looked(tell)

            _Server(config, answers).run(sockets=[listener])


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGINT and SIGTERM end the block in good order; uvicorn passes them on when it is done."""

    def end(number: int, _frame: FrameType | None) -> None:
        logger.info("told to end by %s", signal.Signals(number).name)
        raise SystemExit(0)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def refuse_public(host: str, *, behind_proxy: bool, has_accounts: Callable[[], bool]) -> None:
    """Take only loopback addresses, unless there are accounts or a proxy stands in front.

    Raises:
        ConfigError: If ``host`` can be reached from other machines.
    """
    if behind_proxy or is_loopback(host):
        return
    if has_accounts():
        return
    raise ConfigError(
        [
            f"host {host!r} can be reached from other machines, and this server has no accounts "
            f"(make one with sonoloop accounts add, use 127.0.0.1, or say that a proxy with "
            f"accounts stands in front)"
        ]
    )


def is_loopback(host: str) -> bool:
    """True when only this machine reaches ``host``.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; before anything slow, so that a taken port is told at once.

    Raises:
        ConfigError: If the address is unknown or taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except socket.gaierror as error:
        raise ConfigError([f"host {host!r} is unknown: {error.strerror}"]) from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            [f"cannot listen at {host} port {port}: {error.strerror} (choose another port)"]
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """The address a browser on this machine opens."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def configure_logging(workspace: Path) -> None:
    """Log into the workspace, and warnings to the terminal too."""
    log_to_workspace(workspace)
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(logging.Formatter(LOG_FORMAT))
    logging.getLogger().addHandler(terminal)


def log_to_workspace(workspace: Path) -> None:
    """Log into the workspace, in files that stay small.

    Raises:
        StoreError: If it cannot be made or written.
    """
    folder = WorkspacePaths(workspace.resolve()).logs
    make_workspace(folder.parent)
    with refusals_told(workspace):
        folder.mkdir(exist_ok=True)
        file = logging.handlers.RotatingFileHandler(
            folder / SERVER_LOG, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8"
        )
    file.setFormatter(logging.Formatter(LOG_FORMAT))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(file)
