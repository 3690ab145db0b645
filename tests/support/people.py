"""Accounts for tests, with passwords that are hashed in no time."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from argon2 import PasswordHasher

from sonoloop.records import Role
from sonoloop.service.accounts import AccountService
from sonoloop.service.passwords import Passwords
from sonoloop.service.server import Service

PASSWORD: Final = "twelve quiet sheep"
PEOPLE: Final[Mapping[str, Role]] = {"anna": "annotator", "rita": "reviewer", "ed": "engineer"}
ROLES: Final[tuple[Role, ...]] = get_args(Role)


def quick_passwords() -> Passwords:
    """Argon2 with so little to do that tests are not kept waiting."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def make_people(service: Service) -> dict[str, str]:
    """Make an account of each role; a token of each."""
    accounts: AccountService = service.accounts
    accounts._passwords = quick_passwords()
    tokens = {}
    for name, role in PEOPLE.items():
        accounts.add(name, role, PASSWORD, actor="it")
        tokens[name], _ = accounts.make_token(name, "tests", days=1, actor="it")
    return tokens


def bearer(token: str) -> dict[str, str]:
    """Header of a request that somebody answers for."""
    return {"authorization": f"Bearer {token}"}


def log_in(http: Any, name: str, password: str = PASSWORD) -> Any:
    """What the page for it sends, and what it gets."""
    return http.post("/auth/login", json={"username": name, "password": password})
