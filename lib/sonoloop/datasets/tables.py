"""Comma-separated tables, read strictly: a missing column is told, not guessed."""

import csv
import difflib
import itertools
from collections.abc import Collection
from pathlib import Path

from sonoloop.errors import DatasetError


def read_table(
    path: Path, *, required: Collection[str], optional: Collection[str] = ()
) -> list[dict[str, str]]:
    """Rows of a UTF-8 CSV file with a header, as stripped text; absent cells are empty.

    Args:
        path: The file; a byte-order mark (as spreadsheets write it) is allowed.
        required: Columns that must be there.
        optional: Columns that are used when there; a close misspelling of one is refused, other
            columns are ignored.

    Raises:
        DatasetError: If the file cannot be read, or a column is missing or misspelt.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"cannot read table {path.name!r}: {error} (UTF-8 CSV?)") from error
    columns, *cells = lines or [[]]
    missing = sorted(set(required) - set(columns))
    if missing:
        raise DatasetError(
            f"table {path.name!r} lacks column {', '.join(missing)}: it has {', '.join(columns)}"
        )
    _refuse_misspelt(path, columns, [*required, *optional])
    return [_row(path, columns, row) for row in cells]


def _row(path: Path, columns: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) > len(columns):
        raise DatasetError(
            f"table {path.name!r} has a row of {len(cells)} cells for {len(columns)} columns: it "
            f"begins {cells[0]!r} (put text that holds a comma in quotes)"
        )
    return dict(itertools.zip_longest(columns, cells, fillvalue=""))


def _refuse_misspelt(path: Path, columns: list[str], known: list[str]) -> None:
    absent = [name for name in known if name not in columns]
    for column in columns:
        close = difflib.get_close_matches(column, absent, n=1, cutoff=0.8)
        if column not in known and close:
            raise DatasetError(
                f"table {path.name!r} has column {column!r}; did you mean {close[0]!r}?"
            )
