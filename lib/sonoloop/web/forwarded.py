"""Where a request came from, and how; of what proxies say only what ours said."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from sonoloop.web.limits import Scope

NOWHERE = "unknown"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as the network tells.

    Attributes:
        address: Of the machine, or ``unknown`` at a socket in the file system.
        is_https: Whether the browser asked by https.
    """

    address: str
    is_https: bool


def caller_of(scope: Scope, *, behind_proxy: bool) -> Caller:
    """Who sent a request.

    Args:
        scope: Of the request.
        behind_proxy: A proxy that the operator vouches for stands in front: then the last entry of
            ``X-Forwarded-For`` and ``X-Forwarded-Proto`` counts, which it wrote itself; earlier
            ones are what a client claims.
    """
    client = scope.get("client")
    address = str(client[0]) if client else NOWHERE
    is_https = scope.get("scheme") == "https"
    if behind_proxy:
        headers = Headers(scope=scope)
        told = _last(headers, "x-forwarded-for")
        address = told if _is_address(told) else address
        is_https = (_last(headers, "x-forwarded-proto").lower() or scope.get("scheme")) == "https"
    return Caller(address, is_https)


def is_own_page(scope: Scope, *, behind_proxy: bool) -> bool:
    """Whether a page of this very server sent a request, or no browser did.

    Browsers say so with ``Sec-Fetch-Site``, where they reach the server by https or on their own
    machine; else with ``Origin``. Pages of the same host at another port, or of a sister host, are
    strangers: browsers send them a ``SameSite`` cookie.
    """
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return True
    hosts = {headers.get("host", "")}
    if behind_proxy:
        hosts.add(_last(headers, "x-forwarded-host"))
    try:
        return urlsplit(origin).netloc in hosts - {""}
    except ValueError:  # such as "http://[": no page has that address
        return False


def _last(headers: Headers, name: str) -> str:
    told = headers.getlist(name)
    return told[-1].rpartition(",")[2].strip() if told else ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
