"""Tables of accounts: who may log in, and the tokens by which requests speak for somebody.

Archives leave them out (``Table.info``): passwords and tokens, even hashed, are for one server.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import ForeignKey, Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from sonoloop.store.schema import Base, now

NAME_LENGTH: Final = 64
LABEL_LENGTH: Final = 64
DIGEST_LENGTH: Final = 64
SECRET: Final = {"secret": True}


class AccountRow(Base):
    """An account; ``name_key`` is its name without case, by which it is found."""

    __tablename__ = "accounts"
    __table_args__ = ({"info": SECRET},)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    name_key: Mapped[str] = mapped_column(String(4 * NAME_LENGTH), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    disabled: Mapped[bool] = mapped_column(default=False, server_default=false())
    password_hash: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)


class TokenRow(Base):
    """A token, by its SHA-256 alone; ``label`` is the name of one that was made for a script."""

    __tablename__ = "account_tokens"
    __table_args__ = (Index("ix_account_tokens_account", "account"), {"info": SECRET})

    id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH), unique=True)
    label: Mapped[str | None] = mapped_column(String(LABEL_LENGTH))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
