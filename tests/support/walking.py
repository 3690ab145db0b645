"""Every route of an application, those of included routers and mounts too."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from starlette.routing import Mount


def routes_of(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Method and template of each route; HEAD goes with GET."""
    for route in routes:
        if isinstance(route, Mount):
            yield "GET", f"{route.path}/{{path:path}}"
        elif hasattr(route, "original_router"):  # FastAPI keeps included routers whole
            yield from routes_of(route.original_router.routes)
        else:
            for method in sorted(route.methods):
                if method != "HEAD" or "GET" not in route.methods:
                    yield method, route.path


def address(template: str) -> str:
    """An address that a route with this template answers."""
    return re.sub(r"\{[^}]*\}", "1", re.sub(r"\{[^}]*:path\}", "a/b.c", template))
