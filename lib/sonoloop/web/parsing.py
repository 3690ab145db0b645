"""What requests carry, parsed at the edge: JSON that can be kept, files, names of downloads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from fastapi import Depends, Request, UploadFile

from sonoloop.errors import InvalidRequestError
from sonoloop.records import Account
from sonoloop.service.label_versions import REVIEW
from sonoloop.service.server import Service

MAX_JSON_BYTES: Final = 2**20

ACCOUNT: Final = "sonoloop.account"
"""Where a request's scope holds the :class:`Account` of who sent it; see ``web.accounts``."""

Claim = Literal["reader", "client_id", "actor", "reviewer"]
CLAIMS: Final[tuple[Claim, ...]] = get_args(Claim)
"""What a request may call the one in whose name it speaks."""
APPROVED_BY: Final = "approvedBy"
"""What Slicer's reviewer module calls him."""


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(_service)]


@dataclass(frozen=True, slots=True)
class Speaker:
    """In whose name a request speaks: his whose account it is, whatever it claims.

    Attributes:
        account: None where there are no accounts; then requests are believed.
    """

    account: Account | None

    def name(self, claimed: str) -> str:
        """The name to be kept where a request claims one."""
        return self.account.name if self.account else claimed

    def signed(self, params: Mapping[str, Any], *claims: Claim) -> dict[str, Any]:
        """Parameters in which nobody else is claimed to speak; ``claims`` are there in any case.

        Example:
            >>> Speaker(Account("anna", "annotator")).signed({"client_id": "bob"}, "reader")
            {'client_id': 'anna', 'reader': 'anna'}
            >>> Speaker(None).signed({"client_id": "bob"}, "reader")
            {'client_id': 'bob'}
        """
        if self.account is None:
            return dict(params)
        signed = dict(params)
        for claim in CLAIMS:
            if claim in params or claim in claims:
                signed[claim] = self.account.name
        review = params.get(REVIEW)
        if isinstance(review, Mapping) and APPROVED_BY in review:
            signed[REVIEW] = {**review, APPROVED_BY: self.account.name}
        return signed


async def _speaker(request: Request) -> Speaker:
    return Speaker(request.scope.get(ACCOUNT))


SpeakerDep = Annotated[Speaker, Depends(_speaker)]


def json_object(text: str | bytes, name: str) -> dict[str, Any]:
    """The JSON object in ``text``; nothing at all is an empty one.

    Raises:
        InvalidRequestError: If it is too long, no JSON, no object, or holds what JSON does not
            know (NaN, halves of characters) and could not be given back.
    """
    if len(text) > MAX_JSON_BYTES:
        raise InvalidRequestError(f"{name} exceeds {MAX_JSON_BYTES} bytes")
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidRequestError(f"{name} is not valid JSON: {reason:.120}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{name} must be a JSON object, got {value!r:.80}")
    return value


async def _json_body(request: Request, speaker: SpeakerDep) -> dict[str, Any]:
    return speaker.signed(json_object(await request.body(), "the request body"))


JsonBody = Annotated[dict[str, Any], Depends(_json_body)]
"""The request's JSON object, whatever content type it claims: clients are careless there.

Whoever it claims to speak for, it speaks for :class:`Speaker`.
"""


def file_of(upload: UploadFile | None) -> tuple[bytes, str] | None:
    """Bytes and name of an uploaded file; None where there is none or an empty, nameless part."""
    if upload is None:
        return None
    data = upload.file.read()
    if not data and not upload.filename:
        return None
    return data, upload.filename or ""
