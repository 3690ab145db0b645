"""Who may ask: names, passwords, roles, and the tokens by which requests speak for somebody.

There are no accounts until the first one is made; then every request needs one, for good.
"""

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, get_args

from sonoloop.errors import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    StoreError,
)
from sonoloop.records import AccessToken, Account, Role
from sonoloop.service.labelling import DEFAULT_READER
from sonoloop.service.passwords import Passwords, check_new
from sonoloop.service.throttle import Throttle
from sonoloop.store.accounts import name_key
from sonoloop.store.events import SYSTEM, UNKNOWN
from sonoloop.store.paths import WorkspacePaths, refusals_told
from sonoloop.store.schema import now
from sonoloop.store.schema_accounts import LABEL_LENGTH, NAME_LENGTH
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""Each may do what those before it may."""

RESERVED: Final = frozenset({DEFAULT_READER, SYSTEM, UNKNOWN, "dashboard", "gate"})
"""Names under which the program itself, or nobody in particular, has spoken."""

TOKEN_BYTES: Final = 32
FRESH_S: Final = 1.0
"""How old what is known of a token may be: a change by another process holds within that time."""
MAX_KNOWN: Final = 1024
FREE_PER_NAME: Final = 5
FREE_PER_ADDRESS: Final = 20
"""Log-ins that may fail before the next one has to wait."""
REFUSALS_TOLD_EVERY_S: Final = 600.0

WRONG: Final = "name or password is wrong, or the account is disabled"


@dataclass(frozen=True, slots=True)
class LogIn:
    """A log-in that succeeded; ``token`` is told once and kept nowhere."""

    account: Account
    token: str
    expires_at: datetime


class AccountService:
    """Accounts of one workspace.

    Args:
        store: Where they are kept.
        login_h: Hours a log-in lasts.
        passwords: How passwords are hashed.
        clock: Seconds that only grow; for tests.
    """

    def __init__(
        self,
        store: Store,
        *,
        login_h: float = 12.0,
        passwords: Passwords | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._lasts = timedelta(hours=login_h)
        self._passwords = passwords or Passwords()
        self._clock = clock
        self._throttle = Throttle(clock)
        self._is_on = False
        self._looked: tuple[int, float] | None = None
        self._turn = threading.Lock()
        self._known: dict[str, tuple[Account, int, float]] = {}
        self._told: dict[tuple[str, str], float] = {}

    @property
    def is_on(self) -> bool:
        """Whether requests need an account: from the first one on, also when it is disabled."""
        if self.is_known_on is None:
            looked = (self._store.writes, self._clock())
            self._is_on = self._store.accounts.any()
            self._looked = looked
        return self._is_on

    @property
    def is_known_on(self) -> bool | None:
        """:attr:`is_on` where that is known without asking the database, else None."""
        return self._is_on if self._is_on or self._is_fresh(self._looked) else None

    def log_in(self, name: str, password: str, *, address: str) -> LogIn:
        """Give a token for a name and its password.

        Args:
            name: In whatever case.
            password: As it was entered.
            address: Where the request came from; failures are counted by name and by address.

        Raises:
            ConflictError: If there are no accounts.
            TooManyAttemptsError: If too many log-ins failed; nothing is checked then.
            AuthenticationError: If name or password are wrong or the account is disabled.
        """
        if not self.is_on:
            raise ConflictError("there are no accounts (make one with sonoloop accounts add)")
        by_name, by_address = f"name {name_key(name[:NAME_LENGTH])}", f"address {address}"
        self._throttle.attempt({by_name: FREE_PER_NAME, by_address: FREE_PER_ADDRESS})
        # No account has a name with NUL, and not every database can be asked for it.
        found = None if "\0" in name else self._store.accounts.credentials(name[:NAME_LENGTH])
        account, kept = found or (None, None)
        if not self._passwords.matches(kept, password) or account is None or kept is None:
            raise self._refusal(account, address, "password" if account else "name")
        if account.disabled:
            raise self._refusal(account, address, "disabled")
        entered = self._enter(account, kept, address)
        self._throttle.succeeded(by_name, by_address)
        if self._passwords.is_outdated(kept):
            self._store.accounts.rehash(name, kept, self._passwords.hash(password))
        return entered

    def _enter(self, account: Account, kept: str, address: str) -> LogIn:
        token, expires_at = _new_token(), now() + self._lasts
        try:
            account = self._store.accounts.log_in(
                account.name,
                kept,
                _digest(token),
                expires_at=expires_at,
                details={"address": address},
            )
        except NotFoundError as error:
            raise AuthenticationError(WRONG) from error
        return LogIn(account, token, expires_at)

    def _refusal(self, account: Account | None, address: str, wrong: str) -> AuthenticationError:
        # A name there is not may be a password in the wrong field: it is not kept.
        self._store.events.append(
            "log_in_refused",
            actor=account.name if account else UNKNOWN,
            details={"address": address, "wrong": wrong},
        )
        return AuthenticationError(WRONG)

    def who(self, token: str) -> Account | None:
        """Who may speak by a token; None when it was none, or is one no more."""
        if (known := self.remembered(token)) is not None:
            return known
        digest = _digest(token)
        read = (self._store.writes, self._clock())
        account = self._store.accounts.holder(digest)
        with self._turn:
            self._known.pop(digest, None)
            if account is not None:
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                self._known[digest] = (account, *read)
        return account

    def remembered(self, token: str) -> Account | None:
        """:meth:`who` where that is known without asking the database, else None."""
        with self._turn:
            known = self._known.get(_digest(token))
        return known[0] if known is not None and self._is_fresh(known[1:]) else None

    def log_out(self, token: str) -> None:
        """End a token; nothing when it was none."""
        self._store.accounts.log_out(_digest(token))

    def tell_refusal(self, account: Account, what: str) -> None:
        """Log that somebody asked for what his role may not do, once in a while for each thing.

        He is refused all the same where that cannot be kept; the next time is told then.
        """
        key, instant = (account.name, what), self._clock()
        with self._turn:
            told = self._told.get(key)
            if told is not None and instant - told < REFUSALS_TOLD_EVERY_S:
                return
            if len(self._told) >= MAX_KNOWN:
                self._told.clear()
            self._told[key] = instant
        details = {"what": what, "role": account.role}
        try:
            self._store.events.append("access_refused", actor=account.name, details=details)
        except StoreError as error:
            with self._turn:
                self._told.pop(key, None)
            logger.warning("a refusal cannot be kept: %s", error)

    def add(self, name: str, role: str, password: str, *, actor: str) -> Account:
        """Make an account.

        Raises:
            InvalidRequestError: If name, role or password cannot be taken.
            ConflictError: If the name is taken.
        """
        check_name(name)
        check_new(password, name)
        hashed = self._passwords.hash(password)
        return self._store.accounts.add(name, parse_role(role), hashed, actor=actor)

    def set_password(self, name: str, password: str, *, actor: str) -> Account:
        """Give an account another password; every token of it ends.

        Raises:
            InvalidRequestError: If the password cannot be taken.
            NotFoundError: If there is no such account.
        """
        account = self._store.accounts.get(name)
        check_new(password, account.name)
        return self._store.accounts.set_password(name, self._passwords.hash(password), actor=actor)

    def make_token(
        self, name: str, label: str, *, days: float | None, actor: str
    ) -> tuple[str, AccessToken]:
        """A token for a script, and what is kept of it.

        Args:
            name: Of the account for which it speaks.
            label: Its name.
            days: How long it lasts; None is until it is revoked.
            actor: Whose doing it is.

        Raises:
            InvalidRequestError: If the label or the days cannot be taken.
            NotFoundError: If there is no such account.
            ConflictError: If the account is disabled or has a token of that label.
        """
        if not label.strip() or len(label) > LABEL_LENGTH or not label.isprintable():
            raise InvalidRequestError(
                f"a token has a name of 1 to {LABEL_LENGTH} printable characters, got {label!r:.80}"
            )
        if days is not None and not 0 < days <= 3660:
            raise InvalidRequestError(f"a token lasts up to 3660 days, got {days}")
        token = _new_token()
        expires_at = None if days is None else now() + timedelta(days=days)
        kept = self._store.accounts.add_token(
            name, label, _digest(token), expires_at=expires_at, actor=actor
        )
        return token, kept

    def _is_fresh(self, read: tuple[int, float] | None) -> bool:
        """Whether what was read then still holds: this process changed nothing, others hardly."""
        return read is not None and (
            read[0] == self._store.writes and self._clock() - read[1] < FRESH_S
        )


def allows(role: Role, needed: Role) -> bool:
    """Whether a role may do what asks for another.

    Example:
        >>> allows("engineer", "reviewer"), allows("annotator", "reviewer")
        (True, False)
    """
    return ROLES.index(role) >= ROLES.index(needed)


def parse_role(text: str) -> Role:
    """The role of that name.

    Raises:
        InvalidRequestError: If there is none.
    """
    for role in ROLES:
        if text == role:
            return role
    raise InvalidRequestError(f"unknown role {text!r:.80} (one of {', '.join(ROLES)})")


def check_name(name: str) -> None:
    """Whether an account may have a name.

    Raises:
        InvalidRequestError: If it is empty, too long, holds what cannot be shown or a slash, or
            is one under which the program speaks.
    """
    if not 0 < len(name) <= NAME_LENGTH or name != name.strip() or not name.isprintable():
        raise InvalidRequestError(
            f"a name has 1 to {NAME_LENGTH} printable characters and no space around it, "
            f"got {name!r:.80}"
        )
    if "/" in name or "\\" in name:  # names are parts of addresses
        raise InvalidRequestError(f"a name holds no slash, got {name!r}")
    if name_key(name) in {name_key(reserved) for reserved in RESERVED}:
        raise InvalidRequestError(f"the name {name!r} is the program's own (choose another)")


def has_accounts(workspace: Path, url: str | None) -> bool:
    """Whether the server of a workspace asks for accounts; a workspace there is not has none.

    Raises:
        StoreError: If it is unusable.
    """
    with refusals_told(workspace):
        if not WorkspacePaths(workspace.resolve()).labels.is_dir():
            return False
    with Store.open(workspace, url=url) as store:
        return store.accounts.any()


def _new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", errors="surrogatepass")).hexdigest()
