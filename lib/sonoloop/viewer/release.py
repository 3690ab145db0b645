"""Which viewer is served, and the rule which ones could be."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from sonoloop.errors import ViewerError

REGISTRY: Final = "https://registry.npmjs.org"
"""Where OHIF's makers publish it; mirrors have the same layout."""

BASE: Final = "/ohif/"
"""Path below which the viewer is served."""

OLDEST: Final = (3, 13)
"""Earlier versions draw the mask of one ultrasound image on the next one of its size, and write to
it (cornerstone3D issue 1639)."""

_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A published archive of the viewer.

    Attributes:
        package: Name of the npm package.
        version: Its version, ``major.minor.patch``.
        integrity: ``sha512-`` and the base64 digest of the archive, as npm writes it.
    """

    package: str = "@ohif/app"
    version: str
    integrity: str

    def address(self, registry: str = REGISTRY) -> str:
        """Where a registry keeps the archive.

        Example:
            >>> OHIF.address("https://mirror.example/npm/")
            'https://mirror.example/npm/@ohif/app/-/app-3.13.2.tgz'
        """
        name = self.package.rpartition("/")[2]
        return f"{registry.rstrip('/')}/{self.package}/-/{name}-{self.version}.tgz"

    @property
    def sha512(self) -> bytes:
        """The digest that the archive must have.

        Raises:
            ViewerError: If ``integrity`` is not of the form that npm writes.
        """
        kind, _, digest = self.integrity.partition("-")
        try:
            decoded = base64.b64decode(digest, validate=True)
        except binascii.Error:
            decoded = b""
        if kind != "sha512" or len(decoded) != 64:
            raise ViewerError(f"integrity is no sha512 of npm's form: {self.integrity:.40}")
        return decoded


OHIF: Final = Release(
    version="3.13.2",
    integrity="sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd"
    "5xXZB9E8EA==",
)
"""The version that the extension in ``apps/ohif`` is written for and tested with."""


def refuse_unsupported(version: str) -> None:
    """Take only versions that keep the masks of ultrasound images apart.

    Raises:
        ViewerError: If ``version`` is older than :data:`OLDEST`, of another major version, or no
            version at all.

    Example:
        >>> refuse_unsupported("3.11.1")
        Traceback (most recent call last):
        sonoloop.errors.ViewerError: OHIF 3.11.1 is not supported - it shows masks on the wrong
        ultrasound image; 3.13 or later of version 3 is needed (sonoloop viewer install)
    """
    match = _VERSION.match(version)
    if match is None:
        raise ViewerError(f"{version!r:.40} is no version of OHIF (expected such as 3.13.2)")
    if OLDEST <= (int(match[1]), int(match[2])) < (OLDEST[0] + 1, 0):
        return
    raise ViewerError(
        f"OHIF {match[0]} is not supported - it shows masks on the wrong ultrasound image; "
        f"3.13 or later of version 3 is needed (sonoloop viewer install)"
    )
