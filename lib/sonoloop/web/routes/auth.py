"""``/auth`` and ``/login``: logging in, as MONAI Label's clients and as browsers do it."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sonoloop.errors import AuthenticationError
from sonoloop.service.accounts import LogIn
from sonoloop.service.server import Service
from sonoloop.store.schema import now
from sonoloop.web.accounts import COOKIE, token_of
from sonoloop.web.forwarded import caller_of
from sonoloop.web.parsing import ServiceDep, SpeakerDep

router = APIRouter(prefix="/auth", tags=["Accounts"])

MAX_ENTERED = 1024
"""Characters of a name or a password that are looked at."""
UNCACHED = {"cache-control": "no-store"}

Entered = Annotated[str, Field(max_length=MAX_ENTERED)]


class LogInBody(BaseModel):
    """What the page sends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: Entered
    password: Entered


@router.get("/")
def enabled(service: ServiceDep) -> dict[str, bool]:
    """Whether a token is needed: what MONAI Label's clients ask before anything else."""
    return {"enabled": service.accounts.is_on}


@router.post("/token")
def token(
    request: Request,
    response: Response,
    service: ServiceDep,
    username: Annotated[str, Form(max_length=MAX_ENTERED)],
    password: Annotated[str, Form(max_length=MAX_ENTERED)],
) -> dict[str, Any]:
    """A token for name and password, as OAuth 2 words it (RFC 6749, section 4.3)."""
    entered = _log_in(request, service, username, password)
    response.headers.update(UNCACHED)
    return {
        "access_token": entered.token,
        "token_type": "bearer",
        "expires_in": _seconds(entered),
    }


@router.get("/token/valid")
def valid(speaker: SpeakerDep) -> dict[str, Any]:
    """Who speaks by the token that is sent, as MONAI Label names it; 401 when nobody does."""
    if speaker.account is None:
        raise AuthenticationError("there are no accounts, and no token is valid")
    account = speaker.account
    return {
        "username": account.name,
        "email": None,
        "name": account.name,
        "roles": [account.role],
    }


@router.get("/me")
def me(response: Response, service: ServiceDep, speaker: SpeakerDep) -> dict[str, Any]:
    """Whether there are accounts, and who asks."""
    response.headers.update(UNCACHED)
    account = speaker.account
    return {
        "accounts": service.accounts.is_on,
        "name": account and account.name,
        "role": account and account.role,
    }


@router.post("/login")
def log_in(
    request: Request, response: Response, service: ServiceDep, body: LogInBody
) -> dict[str, Any]:
    """Give the browser a cookie that scripts cannot read and other sites cannot use."""
    entered = _log_in(request, service, body.username, body.password)
    response.set_cookie(
        COOKIE,
        entered.token,
        max_age=_seconds(entered),
        secure=caller_of(request.scope, behind_proxy=request.app.state.behind_proxy).is_https,
        httponly=True,
        samesite="strict",
    )
    response.headers.update(UNCACHED)
    return {"name": entered.account.name, "role": entered.account.role}


@router.post("/logout")
def log_out(request: Request, response: Response, service: ServiceDep) -> dict[str, bool]:
    """End the token that is sent, and take the browser's cookie away."""
    sent, _ = token_of(request.scope)
    service.accounts.log_out(sent)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    response.headers.update(UNCACHED)
    return {"logged_out": True}


def _log_in(request: Request, service: Service, username: str, password: str) -> LogIn:
    caller = caller_of(request.scope, behind_proxy=request.app.state.behind_proxy)
    return service.accounts.log_in(username, password, address=caller.address)


def _seconds(entered: LogIn) -> int:
    return max(1, round((entered.expires_at - now()).total_seconds()))
