"""Who may log in, and the tokens by which requests speak for somebody.

Neither a password nor a token is kept: of passwords the hash that the caller made, of tokens the
SHA-256 (they are random, so that a slow hash would only make every request slow).
"""

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias, cast

from sqlalchemy import ColumnElement, Select, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from sonoloop.errors import ConflictError, NotFoundError
from sonoloop.records import AccessToken, Account, Role
from sonoloop.store.database import Database
from sonoloop.store.events import EventKind, record_event
from sonoloop.store.schema import now
from sonoloop.store.schema_accounts import AccountRow, TokenRow

AccountList: TypeAlias = "list[Account]"
TokenList: TypeAlias = "list[AccessToken]"


def name_key(name: str) -> str:
    """What tells names apart: neither case nor the way letters are composed.

    Example:
        >>> name_key("Anna") == name_key("anna")
        True
    """
    return unicodedata.normalize("NFKC", name).casefold()


class Accounts:
    """Accounts and tokens; every method is one transaction, and every change an event.

    ``actor`` is whose doing a change is, ``at`` is for tests: None is this moment.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def any(self) -> bool:
        """Whether there is an account, be it disabled."""
        with self._database.connection() as connection:
            return connection.scalar(select(AccountRow.id).limit(1)) is not None

    def list(self) -> AccountList:
        """Every account, by name."""
        with self._database.reading() as session:
            return [
                _account(row)
                for row in session.scalars(select(AccountRow).order_by(AccountRow.name_key))
            ]

    def get(self, name: str) -> Account:
        """The account of a name.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.reading() as session:
            return _account(_row(session, name))

    def credentials(self, name: str) -> tuple[Account, str] | None:
        """An account with the hash of its password; None when there is none of that name."""
        with self._database.reading() as session:
            row = session.scalar(_of_name(name))
            return None if row is None else (_account(row), row.password_hash)

    def add(self, name: str, role: Role, password_hash: str, *, actor: str) -> Account:
        """Make an account.

        Raises:
            ConflictError: If there is one of that name, in whatever case.
        """
        try:
            with self._database.writing() as session:
                row = AccountRow(
                    name=name, name_key=name_key(name), role=role, password_hash=password_hash
                )
                session.add(row)
                session.flush()
                _tell(session, "account_added", row, actor, {"role": role})
                return _account(row)
        except IntegrityError as error:
            raise ConflictError(f"there is an account {name!r} already") from error

    def set_role(self, name: str, role: Role, *, actor: str) -> Account:
        """Give an account another role; what it asks next is judged by that.

        Raises:
            NotFoundError: If there is no such account.
        """
        with self._database.writing() as session:
            row = _row(session, name)
            told = {"change": "role", "from": row.role, "to": role}
            row.role = role
            _tell(session, "account_changed", row, actor, told)
            return _account(row)

    def set_disabled(self, name: str, disabled: bool, *, actor: str) -> Account:
        """Let an account log in no more, and end every token of it; or let it again.

        Raises:
            NotFoundError: If there is no such account.
        """
        with self._database.writing() as session:
            row = _row(session, name)
            row.disabled = disabled
            ended = _end(session, TokenRow.account == row.id) if disabled else 0
            change = "disabled" if disabled else "enabled"
            _tell(session, "account_changed", row, actor, {"change": change, "tokens_ended": ended})
            return _account(row)

    def set_password(self, name: str, password_hash: str, *, actor: str) -> Account:
        """Give an account another password, and end every token of it.

        Raises:
            NotFoundError: If there is no such account.
        """
        with self._database.writing() as session:
            row = _row(session, name)
            row.password_hash = password_hash
            told = {"change": "password", "tokens_ended": _end(session, TokenRow.account == row.id)}
            _tell(session, "account_changed", row, actor, told)
            return _account(row)

    def rehash(self, name: str, old_hash: str, new_hash: str) -> None:
        """Keep a better hash of the same password; nothing when it was changed meanwhile."""
        with self._database.writing() as session:
            known = AccountRow.name_key == name_key(name), AccountRow.password_hash == old_hash
            session.execute(update(AccountRow).where(*known).values(password_hash=new_hash))

    def log_in(
        self,
        name: str,
        password_hash: str,
        digest: str,
        *,
        expires_at: datetime,
        details: Mapping[str, Any],
        at: datetime | None = None,
    ) -> Account:
        """Keep the token of a log-in, and forget tokens that have expired.

        Args:
            name: Of the account.
            password_hash: That against which the password was found right.
            digest: SHA-256 of the token, in hex.
            expires_at: When the token ends.
            details: For the event; no secrets.
            at: This moment.

        Raises:
            NotFoundError: If there is no such account, it is disabled, or its password was
                changed while the log-in was checked.
        """
        with self._database.writing() as session:
            row = _row(session, name)
            if row.disabled or row.password_hash != password_hash:
                raise NotFoundError(f"the account {name!r} was changed meanwhile (log in again)")
            _end(session, TokenRow.expires_at <= (at or now()))
            session.add(TokenRow(account=row.id, digest=digest, expires_at=expires_at))
            _tell(session, "log_in", row, row.name, details)
            return _account(row)

    def add_token(
        self, name: str, label: str, digest: str, *, expires_at: datetime | None, actor: str
    ) -> AccessToken:
        """Keep a token for a script.

        Raises:
            NotFoundError: If there is no such account.
            ConflictError: If the account is disabled or has a token of that label.
        """
        with self._database.writing() as session:
            row = _row(session, name)
            if row.disabled:
                raise ConflictError(f"the account {row.name!r} is disabled (enable it first)")
            same = select(TokenRow.id).where(TokenRow.account == row.id, TokenRow.label == label)
            if session.scalar(same) is not None:
                raise ConflictError(f"{row.name!r} has a token {label!r} already (revoke it first)")
            token = TokenRow(account=row.id, digest=digest, label=label, expires_at=expires_at)
            session.add(token)
            session.flush()
            until = expires_at and expires_at.isoformat()
            _tell(session, "token_made", row, actor, {"label": label, "expires_at": until})
            return _token(token, row.name)

    def tokens(self, name: str) -> TokenList:
        """Tokens of an account that were made for scripts, oldest first.

        Raises:
            NotFoundError: If there is no such account.
        """
        with self._database.reading() as session:
            row = _row(session, name)
            query = select(TokenRow).where(TokenRow.account == row.id, TokenRow.label.is_not(None))
            return [_token(one, row.name) for one in session.scalars(query.order_by(TokenRow.id))]

    def revoke(self, name: str, label: str, *, actor: str) -> None:
        """End a token that was made for a script.

        Raises:
            NotFoundError: If the account has none of that label.
        """
        with self._database.writing() as session:
            row = _row(session, name)
            if not _end(session, TokenRow.account == row.id, TokenRow.label == label):
                raise NotFoundError(f"{row.name!r} has no token {label!r}")
            _tell(session, "token_revoked", row, actor, {"label": label})

    def log_out(self, digest: str) -> bool:
        """End a token, by its SHA-256; False when there is none."""
        query = select(AccountRow).join(TokenRow, TokenRow.account == AccountRow.id)
        with self._database.writing() as session:
            row = session.scalar(query.where(TokenRow.digest == digest))
            if row is None:
                return False
            _end(session, TokenRow.digest == digest)
            _tell(session, "log_out", row, row.name, {})
            return True

    def holder(self, digest: str, *, at: datetime | None = None) -> Account | None:
        """Who may speak by the token of that SHA-256; None when it has ended or was none."""
        query = (
            select(AccountRow.name, AccountRow.role, TokenRow.expires_at)
            .join(TokenRow, TokenRow.account == AccountRow.id)
            .where(TokenRow.digest == digest, ~AccountRow.disabled)
        )
        with self._database.connection() as connection:
            found = connection.execute(query).first()
        if found is None or (found.expires_at and found.expires_at <= (at or now())):
            return None
        return Account(found.name, cast("Role", found.role))


def _of_name(name: str) -> Select[AccountRow]:
    return select(AccountRow).where(AccountRow.name_key == name_key(name))


def _row(session: Session, name: str) -> AccountRow:
    row = session.scalar(_of_name(name))
    if row is None:
        raise NotFoundError(f"no account {name!r:.80}")
    return row


def _end(session: Session, *which: ColumnElement[bool]) -> int:
    ended = session.scalars(delete(TokenRow).where(*which).returning(TokenRow.id))
    return len(ended.all())


def _tell(
    session: Session, kind: EventKind, row: AccountRow, actor: str, details: Mapping[str, Any]
) -> None:
    record_event(session, kind, actor=actor, details={"account": row.name, **details})


def _account(row: AccountRow) -> Account:
    return Account(row.name, cast("Role", row.role), row.disabled)


def _token(row: TokenRow, account: str) -> AccessToken:
    return AccessToken(
        token_id=row.id,
        account=account,
        label=row.label,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
