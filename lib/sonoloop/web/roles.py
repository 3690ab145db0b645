"""What each role may ask: the one table of it.

A request whose method and address are not here reaches nothing: routes are added here by hand, so
that somebody thinks about who may use them.
"""

import re
from dataclasses import dataclass
from typing import Final

from starlette.routing import compile_path

from sonoloop.records import Role
from sonoloop.service.accounts import ROLES

OPEN: Final = frozenset(
    {
        ("GET", "/login"),
        ("GET", "/auth/"),
        ("GET", "/auth/me"),
        ("POST", "/auth/login"),
        ("POST", "/auth/token"),
        ("GET", "/static/dom.js"),
        ("GET", "/static/icon.svg"),
        ("GET", "/static/login.js"),
        ("GET", "/static/style.css"),
    }
)
"""What everybody may ask: to log in, and what the page for it is made of."""

TABLE: Final[dict[Role, str]] = {
    "annotator": """
        GET     /
        GET     /look
        GET     /try
        GET     /static/{path:path}
        GET     /openapi.json
        GET     /ohif
        GET     /ohif/{path:path}
        GET     /dicom-web/{path:path}
        GET     /auth/token/valid
        POST    /auth/logout
        GET     /info/
        GET     /model/info/{model}
        POST    /infer/{model}
        POST    /infer/wsi/{model}
        POST    /infer/wsi_v2/{model}
        GET     /batch/infer
        GET     /train/
        GET     /scoring/
        POST    /activelearning/{strategy}
        GET     /datastore/
        PUT     /datastore/
        GET     /datastore/image
        PUT     /datastore/image
        GET     /datastore/image/info
        PUT     /datastore/image/info
        GET     /datastore/label
        PUT     /datastore/label
        GET     /datastore/label/info
        PUT     /session/
        GET     /session/{session_id}
        DELETE  /session/{session_id}
        GET     /sonoloop/agreement
        GET     /sonoloop/assignments
        GET     /sonoloop/assignments/{reader}
        GET     /sonoloop/board
        GET     /sonoloop/board/image
        GET     /sonoloop/board/stream
        GET     /sonoloop/explanation
        POST    /sonoloop/explanation
        GET     /sonoloop/history/{image}
        GET     /sonoloop/leases
        POST    /sonoloop/leases
        DELETE  /sonoloop/leases
        GET     /sonoloop/models
        GET     /sonoloop/models/{task}/{model_id}
        GET     /sonoloop/outbox
        GET     /sonoloop/quality/
        GET     /sonoloop/refusals
        GET     /sonoloop/reviews
        GET     /sonoloop/revisions
        GET     /sonoloop/revisions/mask
        POST    /sonoloop/skips
        DELETE  /sonoloop/skips
        GET     /sonoloop/triggers
        """,
    "reviewer": """
        PUT     /datastore/label/info
        PUT     /datastore/updatelabelinfo
        PUT     /sonoloop/adjudication
        POST    /sonoloop/assignments
        POST    /sonoloop/quality/check
        POST    /sonoloop/quality/dismiss
        POST    /sonoloop/quality/{flag_id}/dismiss
        POST    /sonoloop/reviews/{annotation}
        """,
    "engineer": """
        GET     /logs/
        GET     /logs/gpu
        GET     /model/{model}
        GET     /datastore/dataset
        DELETE  /datastore/
        DELETE  /datastore/image
        DELETE  /datastore/label
        POST    /batch/infer/{model}
        DELETE  /batch/infer
        POST    /train/
        POST    /train/{model}
        DELETE  /train/
        POST    /scoring/
        POST    /scoring/{method}
        DELETE  /scoring/
        POST    /dicom-web/{path:path}
        GET     /sonoloop/events
        POST    /sonoloop/models/{task}/publish
        POST    /sonoloop/models/{task}/rollback
        PUT     /sonoloop/models/{task}/pin
        DELETE  /sonoloop/models/{task}/pin
        POST    /sonoloop/outbox/retry
        """,
}
"""Method and address of every route, under the least role that may use it.

Annotators read, label, skip and infer; reviewers also decide about what others said; engineers
also train, publish, delete, export, read logs, and put DICOM into the archive by hand. Labels are
amended by reviewers: an amended adjudication settles the image.
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may use one route.

    Attributes:
        template: Address as the route has it, such as ``/infer/{model}``.
    """

    method: str
    template: str
    role: Role
    pattern: re.Pattern[str]


def _rules() -> tuple[Rule, ...]:
    return tuple(
        Rule(method, template, role, compile_path(template)[0])
        for role, lines in TABLE.items()
        for method, template in (line.split() for line in lines.strip().splitlines())
    )


RULES: Final = _rules()


def is_open(method: str, path: str) -> bool:
    """Whether everybody may ask this.

    Example:
        >>> is_open("GET", "/login"), is_open("GET", "/static/look.js")
        (True, False)
    """
    return (_plain(method), path) in OPEN


def rule_of(method: str, path: str) -> Rule | None:
    """The rule of a request, None when there is none; of several the strictest.

    An address with a slash too many or too few has the rule of the one it is redirected to.

    Example:
        >>> rule_of("HEAD", "/info").role
        'annotator'
        >>> rule_of("POST", "/info/") is None
        True
    """
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"
    for address in (path, other):
        found = [rule for rule in rules_at(address) if rule.method == _plain(method)]
        if found:
            return max(found, key=lambda rule: ROLES.index(rule.role))
    return None


def rules_at(path: str) -> list[Rule]:
    """Rules of an address, whatever the method."""
    return [rule for rule in RULES if rule.pattern.match(path)]


def _plain(method: str) -> str:
    return "GET" if method == "HEAD" else method
