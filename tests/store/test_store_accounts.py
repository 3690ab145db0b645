"""Accounts and tokens in the database."""

from datetime import UTC, datetime, timedelta

import pytest

from sonoloop.errors import ConflictError, NotFoundError
from sonoloop.records import Account
from sonoloop.store import Store
from sonoloop.store.schema_accounts import TokenRow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST, SECOND = "1" * 64, "2" * 64


@pytest.fixture
def anna(store: Store) -> Account:
    return store.accounts.add("Anna", "annotator", "hash", actor="it")


def log_in(
    store: Store, digest: str = FIRST, *, at: datetime = NOON, name: str = "Anna"
) -> Account:
    return store.accounts.log_in(
        name, "hash", digest, expires_at=at + HOUR, details={"address": "192.0.2.1"}, at=at
    )


def told(store: Store) -> list[tuple[str, str, object]]:
    return [(e.kind, e.actor, e.details.get("change")) for e in store.events.list()]


def test_there_is_none_until_one_is_made(store: Store) -> None:
    assert not store.accounts.any()

    store.accounts.add("Anna", "annotator", "hash", actor="it")

    assert store.accounts.any()
    assert store.accounts.list() == [Account("Anna", "annotator")]


@pytest.mark.parametrize("other", ["Anna", "anna", "ANNA", "Ａnna"])  # noqa: RUF001 - meant
def test_a_name_is_taken_whatever_its_case(store: Store, anna: Account, other: str) -> None:
    with pytest.raises(ConflictError, match=r"there is an account .* already"):
        store.accounts.add(other, "engineer", "other", actor="it")

    assert store.accounts.get(other) == anna
    assert store.accounts.credentials(other) == (anna, "hash")


def test_a_token_speaks_for_its_account_until_it_expires(store: Store, anna: Account) -> None:
    log_in(store)

    assert store.accounts.holder(FIRST, at=NOON) == anna
    assert store.accounts.holder(FIRST, at=NOON + HOUR - timedelta(microseconds=1)) == anna
    assert store.accounts.holder(FIRST, at=NOON + HOUR) is None
    assert store.accounts.holder(SECOND, at=NOON) is None


def test_a_log_in_forgets_tokens_that_have_expired(store: Store, anna: Account) -> None:
    log_in(store)
    log_in(store, SECOND, at=NOON + 2 * HOUR)

    with store._database.reading() as session:
        assert [row.digest for row in session.query(TokenRow)] == [SECOND]


def test_a_log_in_against_a_password_that_was_changed_meanwhile_is_refused(
    store: Store, anna: Account
) -> None:
    store.accounts.set_password("anna", "another", actor="it")

    with pytest.raises(NotFoundError, match="changed meanwhile"):
        log_in(store)
    assert store.accounts.holder(FIRST, at=NOON) is None


def test_logging_out_ends_that_token_alone(store: Store, anna: Account) -> None:
    log_in(store)
    log_in(store, SECOND)

    assert store.accounts.log_out(FIRST)
    assert not store.accounts.log_out(FIRST)

    assert store.accounts.holder(FIRST, at=NOON) is None
    assert store.accounts.holder(SECOND, at=NOON) == anna
    assert told(store)[0] == ("log_out", "Anna", None)


def test_disabling_ends_every_token_and_enabling_gives_none_back(
    store: Store, anna: Account
) -> None:
    log_in(store)
    store.accounts.add_token("anna", "import", SECOND, expires_at=None, actor="it")

    store.accounts.set_disabled("anna", True, actor="it")
    assert store.accounts.get("Anna").disabled
    assert store.accounts.holder(FIRST, at=NOON) is store.accounts.holder(SECOND, at=NOON) is None
    store.accounts.set_disabled("anna", False, actor="it")

    assert store.accounts.holder(FIRST, at=NOON) is None
    assert told(store)[:2] == [
        ("account_changed", "it", "enabled"),
        ("account_changed", "it", "disabled"),
    ]
    assert store.events.list()[1].details["tokens_ended"] == 2


def test_another_password_ends_every_token(store: Store, anna: Account) -> None:
    log_in(store)

    store.accounts.set_password("anna", "another", actor="it")

    assert store.accounts.holder(FIRST, at=NOON) is None
    assert store.accounts.credentials("anna") == (anna, "another")


def test_another_role_holds_for_tokens_that_are_there(store: Store, anna: Account) -> None:
    log_in(store)

    store.accounts.set_role("anna", "engineer", actor="it")

    assert store.accounts.holder(FIRST, at=NOON) == Account("Anna", "engineer")
    assert store.events.list()[0].details == {
        "account": "Anna",
        "change": "role",
        "from": "annotator",
        "to": "engineer",
    }


def test_a_better_hash_comes_only_in_the_place_of_the_same_password(
    store: Store, anna: Account
) -> None:
    store.accounts.rehash("anna", "of another password", "better")
    assert store.accounts.credentials("anna") == (anna, "hash")

    store.accounts.rehash("anna", "hash", "better")
    assert store.accounts.credentials("anna") == (anna, "better")


def test_a_token_of_a_script_has_a_name_and_is_revoked_by_it(store: Store, anna: Account) -> None:
    made = store.accounts.add_token("anna", "import", FIRST, expires_at=NOON, actor="it")

    assert store.accounts.tokens("anna") == [made]
    assert (made.account, made.label, made.expires_at) == ("Anna", "import", NOON)
    with pytest.raises(ConflictError, match="has a token 'import' already"):
        store.accounts.add_token("anna", "import", SECOND, expires_at=None, actor="it")
    store.accounts.revoke("anna", "import", actor="it")
    assert store.accounts.tokens("anna") == []
    with pytest.raises(NotFoundError, match="has no token 'import'"):
        store.accounts.revoke("anna", "import", actor="it")
    assert [kind for kind, _, _ in told(store)][:2] == ["token_revoked", "token_made"]


def test_a_disabled_account_gets_no_token(store: Store, anna: Account) -> None:
    store.accounts.set_disabled("anna", True, actor="it")

    with pytest.raises(ConflictError, match="is disabled"):
        store.accounts.add_token("anna", "import", FIRST, expires_at=None, actor="it")
    with pytest.raises(NotFoundError, match="changed meanwhile"):
        log_in(store)


def test_an_unknown_name_is_told(store: Store) -> None:
    for change in (store.accounts.get, store.accounts.tokens):
        with pytest.raises(NotFoundError, match="no account 'nobody'"):
            change("nobody")
    assert store.accounts.credentials("nobody") is None


def test_an_archive_holds_neither_accounts_nor_tokens(store: Store, anna: Account) -> None:
    log_in(store)

    with store.dump.snapshot() as snapshot, pytest.raises(KeyError, match="accounts"):
        list(snapshot.rows("accounts"))
