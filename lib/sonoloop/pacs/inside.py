"""Paths that cannot leave their folder."""

from pathlib import Path

from sonoloop.errors import NotFoundError


def inside(root: Path, relative: str) -> Path:
    """The file ``relative`` names under ``root``, with every link followed.

    Args:
        root: Resolved folder.
        relative: Posix path as a table or a record states it.

    Raises:
        NotFoundError: If it names nothing, or anything that is not a file under ``root``.
    """
    try:
        path = (root / relative).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise NotFoundError(f"not a file of this folder: {relative!r}") from error
    if not path.is_relative_to(root):
        raise NotFoundError(f"path leaves its folder: {relative!r}")
    if not path.is_file():
        raise NotFoundError(f"file has gone: {relative!r} (was the folder moved or cleaned up?)")
    return path
