"""Our routes in the place of those of a server that somebody else started.

``monailabel start_server`` brings an application of its own: its routes block the event loop,
write outside the data folder, and answer pages of every site. Nothing of it is passed through.
"""

import ipaddress
import logging
import sys

from fastapi import FastAPI

from sonoloop.service.accounts import AccountService
from sonoloop.service.server import Service
from sonoloop.web.accounts import are_on
from sonoloop.web.app import create_app
from sonoloop.web.errors import problem
from sonoloop.web.launch import SWITCH_INTERVAL_S
from sonoloop.web.limits import App, Receive, Scope, Send

logger = logging.getLogger(__name__)


class LoopbackOnly:
    """Answers this machine alone while there are no accounts that could tell users apart.

    MONAI Label's command binds to every address unless it is told otherwise, and what it was
    told cannot be found out; hence each request is looked at.
    """

    def __init__(self, app: App, accounts: AccountService) -> None:
        self._app, self._accounts = app, accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan" or _is_loopback(scope.get("client")):
            await self._app(scope, receive, send)
            return
        if await are_on(self._accounts):
            await self._app(scope, receive, send)
            return
        refusal = problem(
            403,
            "only this machine may ask: the server has no accounts (make one with sonoloop "
            "accounts add; when a proxy with accounts stands in front, start the server with "
            "--conf behind_proxy true)",
            "not_this_machine",
        )
        await refusal(scope, receive, send)


def _is_loopback(client: tuple[str, int] | None) -> bool:
    if client is None:
        return True  # a socket in the file system, which has its own permissions
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def take_over(theirs: FastAPI, service: Service, *, behind_proxy: bool) -> None:
    """Have ``theirs`` answer with our application from the next request on.

    Args:
        theirs: An application that has begun its life; that life goes on.
        service: What our routes stand on.
        behind_proxy: The operator vouches that only a proxy, which knows its users, reaches the
            port; without it, and without accounts, only this machine is answered.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    ours = create_app(service, behind_proxy=behind_proxy)
    theirs.router.routes.clear()
    # Their middleware too: it lets pages of every site read the answers.
    theirs.middleware_stack = ours if behind_proxy else LoopbackOnly(ours, service.accounts)
    logger.info("answering in the place of %s", theirs.title)
