"""Passwords: which are taken, how they are hashed, how one is checked."""

import threading
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from sonoloop.errors import InvalidRequestError
from sonoloop.store.accounts import name_key

MIN_CHARS: Final = 12
MAX_CHARS: Final = 256
AT_ONCE: Final = 2
"""Each hash takes 64 MiB and a core while it is made."""


def check_new(password: str, name: str) -> None:
    """Whether a password may be given to an account; length is what counts (NIST SP 800-63B).

    Raises:
        InvalidRequestError: If it is too short, too long, or the name in it.
    """
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise InvalidRequestError(
            f"a password has {MIN_CHARS} to {MAX_CHARS} characters, got {len(password)}"
        )
    if name_key(password).strip(" 0123456789!.") == name_key(name) or len(set(password)) < 4:
        raise InvalidRequestError("the password is too easily guessed (choose other words)")


class Passwords:
    """Hashes with Argon2id and the parameters RFC 9106 recommends where memory is scarce.

    Args:
        hasher: With other parameters, for tests.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._nobody: str | None = None

    def hash(self, password: str) -> str:
        """The password as it is kept, with its own salt and the parameters."""
        with self._turns:
            return self._hasher.hash(_composed(password))

    def matches(self, kept: str | None, password: str) -> bool:
        """Whether it is the password that was kept.

        Takes as long when ``kept`` is None, which stands for a name there is not: the time of an
        answer tells nobody which names there are.
        """
        if kept is None:
            self._nobody = self._nobody or self.hash("the password of nobody")
        try:
            with self._turns:
                self._hasher.verify(kept or self._nobody or "", _composed(password))
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)


def _composed(password: str) -> bytes:
    """The same for the same letters, however a keyboard composes them; of long text the start."""
    text = unicodedata.normalize("NFKC", password[: MAX_CHARS + 1])
    return text.encode("utf-8", errors="surrogatepass")
