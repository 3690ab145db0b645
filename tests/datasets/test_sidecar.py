"""annotations.csv: what is written is read."""

from pathlib import Path

import pytest

from sonoloop.datasets.sidecar import AnnotationRow, format_sidecar, read_sidecar
from sonoloop.errors import DatasetError


def test_rows_survive_writing_and_reading(tmp_path: Path) -> None:
    rows = [
        AnnotationRow(image_id="1.2_f0", mask="masks/a.png", pathology="benign", group="g, 1"),
        AnnotationRow(image_id="1.3", reader='the "other" reader'),
    ]
    path = tmp_path / "annotations.csv"

    path.write_text(format_sidecar(rows))

    assert read_sidecar(path) == rows


def test_a_table_without_image_ids_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    path.write_text("mask,pathology\n")

    with pytest.raises(DatasetError, match="lacks column image_id"):
        read_sidecar(path)
