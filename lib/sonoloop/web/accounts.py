"""Stands in front of everything: where there are accounts, a request needs one that may do it."""

import logging
from typing import Final
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from sonoloop.errors import SonoloopError
from sonoloop.records import Account
from sonoloop.service.accounts import AccountService, allows
from sonoloop.web.errors import answer_to, problem
from sonoloop.web.forwarded import is_own_page
from sonoloop.web.limits import SAFE_METHODS, App, Message, Receive, Scope, Send, UploadLimit
from sonoloop.web.parsing import ACCOUNT
from sonoloop.web.roles import is_open, rule_of, rules_at

logger = logging.getLogger(__name__)

COOKIE: Final = "sonoloop"
MAX_OPEN_BYTES: Final = 64 * 1024
"""Largest body of a request that nobody answers for, such as a log-in."""
LOOKING_UP: Final = 8
"""Threads that look accounts up: they may not wait for those that work."""
TELLING: Final = 1
"""Threads that log refusals: they write, and those that look accounts up may not wait for that."""
NEEDED: Final = "log in first: the server has accounts (POST /auth/token, or /login in a browser)"


class AccountsRequired:
    """Refuses requests of nobody, and those that a role may not make; tells the rest who asks.

    Args:
        app: What answers otherwise.
        accounts: Who there is; without any, everybody may ask everything.
        behind_proxy: A proxy that the operator vouches for stands in front.
    """

    def __init__(self, app: App, accounts: AccountService, *, behind_proxy: bool = False) -> None:
        self._app = app
        self._small = UploadLimit(app, MAX_OPEN_BYTES)
        self._accounts = accounts
        self._behind_proxy = behind_proxy
        self._threads = CapacityLimiter(LOOKING_UP)
        self._telling_threads = CapacityLimiter(TELLING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks otherwise
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            answer = await self._answer(scope)
        except SonoloopError as error:
            answer = answer_to(error, scope["method"], _path(scope))
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> App:
        """What answers a request; the app's own errors are its own to answer."""
        if not await are_on(self._accounts):
            return self._app
        token, from_cookie = token_of(scope)
        account = await self._who(token) if token else None
        scope[ACCOUNT] = account
        refusal = await self._refusal(scope, account, from_cookie=from_cookie)
        if refusal is not None:
            return refusal
        return self._small if account is None else self._for_somebody(token)

    def _for_somebody(self, token: str) -> App:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await self._app(scope, receive, self._telling(token, send))

        return answer

    async def _refusal(
        self, scope: Scope, account: Account | None, *, from_cookie: bool
    ) -> Response | None:
        method, path = scope["method"], _path(scope)
        everybody = is_open(method, path)
        strange = method not in SAFE_METHODS and not is_own_page(
            scope, behind_proxy=self._behind_proxy
        )
        if strange and (from_cookie or everybody):
            return problem(403, "pages of other sites may not change anything here", "cross_site")
        if everybody:
            return None
        if account is None:
            return _to_login(scope) if _wants_page(scope) else unauthenticated(NEEDED)
        rule = rule_of(method, path)
        if rule is None:
            return _absent(method, path)
        if not allows(account.role, rule.role):
            what = f"{method} {rule.template}"
            await to_thread.run_sync(
                self._accounts.tell_refusal, account, what, limiter=self._telling_threads
            )
            return problem(
                403,
                f"{account.name} is {account.role}, and this takes a role of {rule.role} "
                f"(ask who looks after the server)",
                "forbidden",
            )
        return None

    async def _who(self, token: str) -> Account | None:
        known = self._accounts.remembered(token)
        if known is not None:
            return known
        return await to_thread.run_sync(self._accounts.who, token, limiter=self._threads)

    async def _still_speaks(self, token: str) -> bool:
        try:
            return await self._who(token) is not None
        except SonoloopError as error:
            logger.warning("a stream ends, for it is unknown whose it is: %s", error)
            return False

    def _telling(self, token: str, send: Send) -> Send:
        """Keeps answers out of shared caches, and ends streams of those who are no longer there."""
        is_stream = ended = False

        async def told(message: Message) -> None:
            nonlocal is_stream, ended
            if ended:
                return
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                names = {bytes(name).lower(): bytes(value) for name, value in headers}
                is_stream = names.get(b"content-type", b"").startswith(b"text/event-stream")
                if b"cache-control" not in names:
                    message = {**message, "headers": [*headers, (b"cache-control", b"private")]}
            elif is_stream and not await self._still_speaks(token):
                ended = True
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        return told


async def are_on(accounts: AccountService) -> bool:
    """Whether requests need an account."""
    known = accounts.is_known_on
    if known is not None:
        return known
    return await to_thread.run_sync(lambda: accounts.is_on)


def token_of(scope: Scope) -> tuple[str, bool]:
    """The token of a request, and whether a browser sent it along by itself; "" is none."""
    connection = HTTPConnection(scope)
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip(), False
    return connection.cookies.get(COOKIE, ""), True


def unauthenticated(sentence: str) -> Response:
    """The answer to a request that nobody answers for."""
    return problem(401, sentence, "authentication")


def _path(scope: Scope) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root else path


def _wants_page(scope: Scope) -> bool:
    """Whether a browser is to show the answer; pictures, scripts and programs want none."""
    if scope["method"] not in ("GET", "HEAD"):
        return False
    headers = Headers(scope=scope)
    mode = headers.get("sec-fetch-mode")
    if mode is not None:
        return mode == "navigate"
    return "text/html" in headers.get("accept", "")


def _to_login(scope: Scope) -> Response:
    query = scope.get("query_string", b"").decode("latin-1")
    asked = quote(scope["path"]) + (f"?{query}" if query else "")
    address = f"{scope.get('root_path', '')}/login?next={quote(asked, safe='/')}"
    return RedirectResponse(address, 303, {"cache-control": "no-store"})


def _absent(method: str, path: str) -> Response:
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"
    if rules_at(path) or rules_at(other):
        return problem(405, f"{path} does not answer {method}", "method_not_allowed")
    return problem(404, f"there is nothing at {method} {path}", "not_found")
