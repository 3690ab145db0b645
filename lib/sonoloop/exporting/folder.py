"""A folder that is there when it is complete."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sonoloop.errors import NotFoundError, StoreError


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, which gets the name ``target`` at the end of the block.

    Raises:
        StoreError: If ``target`` is there and not empty, or cannot be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(f"{target} is there already (export into a folder that is not)")
    building = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        building.mkdir(parents=True)
        yield building
        os.replace(building, target)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON that people can read."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def refuse_nothing(count: int) -> None:
    """Tell that nothing was exported.

    Raises:
        NotFoundError: If ``count`` is 0.
    """
    if not count:
        raise NotFoundError("there is no label to export whose picture can be read")
