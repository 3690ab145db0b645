"""Logging in: passwords, tokens, roles, and what slows guessing down."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from sonoloop.errors import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    TooManyAttemptsError,
)
from sonoloop.records import Account
from sonoloop.service.accounts import AccountService, allows, has_accounts
from sonoloop.service.passwords import Passwords
from sonoloop.service.throttle import FORGOTTEN_S, LONGEST_S, Throttle
from sonoloop.store import Store

PASSWORD = "twelve quiet sheep"
ADDRESS = "192.0.2.7"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        yield opened


def quick() -> Passwords:
    """Argon2 with so little to do that tests are not kept waiting."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def accounts(store: Store, clock: Clock) -> AccountService:
    return AccountService(store, passwords=quick(), clock=clock)


@pytest.fixture
def anna(accounts: AccountService) -> Account:
    return accounts.add("Anna", "annotator", PASSWORD, actor="it")


def log_in(accounts: AccountService, name: str = "anna", password: str = PASSWORD) -> str:
    return accounts.log_in(name, password, address=ADDRESS).token


def fail(accounts: AccountService, name: str = "anna", *, address: str = ADDRESS) -> None:
    with pytest.raises(AuthenticationError):
        accounts.log_in(name, "a wrong password", address=address)


class TestLoggingIn:
    def test_a_token_speaks_for_the_account(self, accounts: AccountService, anna: Account) -> None:
        entered = accounts.log_in("ANNA", PASSWORD, address=ADDRESS)

        assert entered.account == anna == accounts.who(entered.token)
        assert accounts.who(entered.token + "x") is None

    def test_neither_password_nor_token_is_kept(
        self, accounts: AccountService, anna: Account, store: Store
    ) -> None:
        token = log_in(accounts)

        kept = b"".join(file.read_bytes() for file in store.paths.root.glob("sonoloop.db*"))
        assert b"argon2id" in kept
        assert PASSWORD.encode() not in kept
        assert token.encode() not in kept

    @pytest.mark.parametrize(
        ("name", "password"),
        [("anna", "a wrong password"), ("bob", PASSWORD), ("anna", ""), ("", PASSWORD)],
    )
    def test_what_is_wrong_is_not_told(
        self, accounts: AccountService, anna: Account, name: str, password: str
    ) -> None:
        with pytest.raises(AuthenticationError, match=r"^name or password is wrong, or the acc"):
            log_in(accounts, name, password)

    def test_an_unknown_name_is_checked_like_a_known_one(
        self, accounts: AccountService, anna: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checked: list[str] = []
        verify = PasswordHasher.verify

        def noted(self: PasswordHasher, kept: str, password: str) -> bool:
            checked.append(kept.rpartition("$")[0].rpartition("$")[0])
            return bool(verify(self, kept, password))

        monkeypatch.setattr(PasswordHasher, "verify", noted)
        fail(accounts, "anna")
        fail(accounts, "nobody")

        known, unknown = checked
        assert known == unknown  # the same work: algorithm and parameters

    def test_a_disabled_account_is_refused_in_the_same_words(
        self, accounts: AccountService, anna: Account, store: Store
    ) -> None:
        store.accounts.set_disabled("anna", True, actor="it")

        with pytest.raises(AuthenticationError, match=r"^name or password is wrong, or the acc"):
            log_in(accounts)

    def test_without_accounts_nobody_can_log_in(self, accounts: AccountService) -> None:
        with pytest.raises(ConflictError, match="there are no accounts"):
            log_in(accounts)

    def test_log_ins_and_refusals_are_events_without_what_was_entered(
        self, accounts: AccountService, anna: Account, store: Store
    ) -> None:
        log_in(accounts)
        fail(accounts, "anna")
        fail(accounts, "my secret in the wrong field")

        unknown, wrong, right = store.events.list(limit=3)
        assert (right.kind, right.actor) == ("log_in", "Anna")
        assert right.details == {"account": "Anna", "address": ADDRESS}
        assert (wrong.kind, wrong.actor) == ("log_in_refused", "Anna")
        assert (unknown.kind, unknown.actor) == ("log_in_refused", "unknown")
        assert unknown.details == {"address": ADDRESS, "wrong": "name"}

    def test_an_old_hash_is_renewed(self, store: Store, anna: Account) -> None:
        _, before = store.accounts.credentials("anna") or (None, "")
        stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))

        log_in(AccountService(store, passwords=stronger))

        _, after = store.accounts.credentials("anna") or (None, "")
        assert before != after
        assert stronger.matches(after, PASSWORD)
        assert not stronger.is_outdated(after)


class TestTokens:
    def test_what_this_process_changes_holds_at_once(
        self, accounts: AccountService, anna: Account, store: Store
    ) -> None:
        token = log_in(accounts)
        assert accounts.who(token) == anna

        store.accounts.set_role("anna", "reviewer", actor="it")
        assert accounts.who(token) == Account("Anna", "reviewer")
        accounts.log_out(token)
        assert accounts.who(token) is None

    def test_what_another_process_changes_holds_within_a_second(
        self, accounts: AccountService, anna: Account, store: Store, clock: Clock
    ) -> None:
        token = log_in(accounts)
        assert accounts.who(token) == anna
        with Store.open(store.paths.root) as other:
            other.accounts.set_disabled("anna", True, actor="it")

        clock.now += 1

        assert accounts.who(token) is None

    def test_the_first_account_of_another_process_switches_accounts_on(
        self, accounts: AccountService, store: Store, clock: Clock
    ) -> None:
        assert not accounts.is_on
        with Store.open(store.paths.root) as other:
            other.accounts.add("Anna", "engineer", "hash", actor="it")

        clock.now += 1

        assert accounts.is_on

    def test_it_is_looked_up_once_while_nothing_changes(
        self, accounts: AccountService, anna: Account, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = log_in(accounts)
        accounts.who(token)
        monkeypatch.setattr(store.accounts, "holder", None)  # asking it would fail

        assert accounts.who(token) == anna

    def test_a_script_gets_one_that_lasts(
        self, accounts: AccountService, anna: Account, store: Store
    ) -> None:
        token, kept = accounts.make_token("anna", "import", days=None, actor="it")
        dated, ended = accounts.make_token("anna", "soon over", days=1, actor="it")

        assert accounts.who(token) == accounts.who(dated) == anna
        assert (kept.label, kept.expires_at) == ("import", None)
        assert ended.expires_at is not None
        store.accounts.revoke("anna", "import", actor="it")
        assert accounts.who(token) is None

    @pytest.mark.parametrize(("label", "days"), [("", 1), ("a\nb", 1), ("a", 0), ("a", 1e6)])
    def test_what_a_token_cannot_have_is_told(
        self, accounts: AccountService, anna: Account, label: str, days: float
    ) -> None:
        with pytest.raises(InvalidRequestError, match="a token"):
            accounts.make_token("anna", label, days=days, actor="it")

    def test_one_of_broken_text_is_none(self, accounts: AccountService) -> None:
        assert accounts.who("\udcff") is None


class TestGuessing:
    def test_is_slowed_down_by_name(
        self, accounts: AccountService, anna: Account, clock: Clock, store: Store
    ) -> None:
        for number in range(5):
            fail(accounts, address=f"192.0.2.{number}")

        with pytest.raises(TooManyAttemptsError, match="try again in 1 s") as told:
            accounts.log_in("Anna", PASSWORD, address="198.51.100.1")
        assert told.value.seconds == 1
        assert len(store.events.list(kind="log_in_refused")) == 5
        clock.now += 1
        assert log_in(accounts)

    def test_is_slowed_down_by_address(self, accounts: AccountService, anna: Account) -> None:
        for number in range(20):
            fail(accounts, f"name {number}")

        with pytest.raises(TooManyAttemptsError, match="too many log-ins failed"):
            log_in(accounts)
        assert accounts.log_in("anna", PASSWORD, address="198.51.100.1")

    def test_waits_longer_each_time_and_never_too_long(self, clock: Clock) -> None:
        throttle, waits = Throttle(clock), []

        for _ in range(12):
            throttle.attempt({"name": 1})
            with pytest.raises(TooManyAttemptsError, match="try again") as told:
                throttle.attempt({"name": 1})
            waits.append(told.value.seconds)
            clock.now += told.value.seconds

        assert waits[:4] == [1, 2, 4, 8]
        assert waits[-1] == LONGEST_S
        clock.now += FORGOTTEN_S + 1
        throttle.attempt({"name": 1})

    def test_less_than_a_second_is_told_as_one(self, clock: Clock) -> None:
        throttle = Throttle(clock)
        throttle.attempt({"name": 1})
        clock.now += 0.7

        with pytest.raises(TooManyAttemptsError, match="try again in 1 s"):
            throttle.attempt({"name": 1})

    def test_a_success_forgets_the_failures_of_the_name_alone(
        self, accounts: AccountService, anna: Account
    ) -> None:
        for _ in range(4):
            fail(accounts)
            fail(accounts, "bob")
            fail(accounts, "eve")
        log_in(accounts)

        for _ in range(4):
            fail(accounts)
        for name in ("c", "d", "e", "f"):
            fail(accounts, name)
        with pytest.raises(TooManyAttemptsError, match="too many"):
            log_in(accounts)  # the address has failed twenty times by now

    def test_many_at_once_are_not_free(self, clock: Clock) -> None:
        throttle = Throttle(clock)

        def attempt(_: int) -> bool:
            try:
                throttle.attempt({"name": 5})
            except TooManyAttemptsError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(attempt, range(40))) == 5

    def test_it_remembers_only_so_much(self, clock: Clock) -> None:
        throttle = Throttle(clock)

        for number in range(10_100):
            throttle.attempt({f"name {number}": 1})

        assert len(throttle._records) == 10_000
        throttle.attempt({"name 0": 1})


class TestMakingAccounts:
    @pytest.mark.parametrize(
        "name",
        ["", " anna", "a" * 65, "a\nb", "a/b", "a\\b", "Sonoloop", "annotator", "Unknown"],
    )
    def test_a_name_that_cannot_be_is_told(self, accounts: AccountService, name: str) -> None:
        with pytest.raises(InvalidRequestError, match="name"):
            accounts.add(name, "annotator", PASSWORD, actor="it")
        assert not accounts.is_on

    @pytest.mark.parametrize("password", ["short", "a" * 257, "aaaaaaaaaaaaa", "Bartholomew12"])
    def test_a_weak_password_is_told(self, accounts: AccountService, password: str) -> None:
        with pytest.raises(InvalidRequestError, match="password"):
            accounts.add("bartholomew", "annotator", password, actor="it")

    def test_an_unknown_role_is_told(self, accounts: AccountService) -> None:
        with pytest.raises(InvalidRequestError, match="unknown role 'admin'"):
            accounts.add("bob", "admin", PASSWORD, actor="it")

    def test_another_password_ends_tokens_and_is_the_one_that_counts(
        self, accounts: AccountService, anna: Account
    ) -> None:
        token = log_in(accounts)

        accounts.set_password("anna", "another twelve sheep", actor="it")

        assert accounts.who(token) is None
        fail(accounts)
        assert log_in(accounts, password="another twelve sheep")
        with pytest.raises(NotFoundError, match="no account 'bob'"):
            accounts.set_password("bob", PASSWORD, actor="it")

    def test_a_workspace_tells_whether_it_has_some(
        self, accounts: AccountService, anna: Account, store: Store, tmp_path: Path
    ) -> None:
        assert has_accounts(store.paths.root, None)
        assert not has_accounts(tmp_path / "none", None)
        assert not (tmp_path / "none").exists()


def test_what_a_role_may_not_do_is_an_event_once_in_a_while(
    accounts: AccountService, anna: Account, store: Store, clock: Clock
) -> None:
    for _ in range(3):
        accounts.tell_refusal(anna, "GET /logs/")
    clock.now += 3600
    accounts.tell_refusal(anna, "GET /logs/")

    told = store.events.list(kind="access_refused")
    assert [event.details["what"] for event in told] == ["GET /logs/"] * 2
    assert told[0].actor == "Anna"


@pytest.mark.parametrize(
    ("role", "can"),
    [
        ("annotator", [True, False, False]),
        ("reviewer", [True, True, False]),
        ("engineer", [True, True, True]),
    ],
)
def test_each_role_may_do_what_those_before_it_may(role: str, can: list[bool]) -> None:
    needed = ("annotator", "reviewer", "engineer")

    assert [allows(role, one) for one in needed] == can  # type: ignore[arg-type]


def test_a_password_is_the_same_however_its_letters_are_composed() -> None:
    passwords = quick()

    kept = passwords.hash("zwölf stille Schäfchen")

    assert passwords.matches(kept, "zwo\u0308lf stille Scha\u0308fchen")
    assert not passwords.matches(kept, "zwolf stille Schafchen")
    assert not passwords.matches(kept, "\udcff" * 300)


def test_the_usual_hash_is_argon2id_with_the_parameters_of_rfc_9106() -> None:
    kept = Passwords().hash(PASSWORD)

    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
