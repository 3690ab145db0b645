"""What we write reads back exactly in the libraries of other programs."""

import base64
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
import SimpleITK
from pydicom import Dataset

from sonoloop.geometry import LabelMap
from sonoloop.reporting import segmentation
from sonoloop.reporting.documents import DocumentOptions, Documents, documents_for

Cornerstone = Callable[[str, list[dict[str, Any]]], list[Any]]


def label_map_of(documents: Documents) -> LabelMap:
    """Segment number of every pixel, as it was meant."""
    label_map = np.zeros(documents.lesions[0].mask.shape, np.uint8)
    for lesion in documents.lesions:
        label_map[lesion.mask] = lesion.segment
    return label_map


def segmentation_of(documents: Documents) -> bytes:
    assert documents.segmentation is not None
    return documents.segmentation.data


def odd_image(make: Any, rows: int = 61, columns: int = 83) -> tuple[Dataset, LabelMap]:
    """An image whose pixels are no multiple of 8, with three lesions, numbered."""
    mask = np.zeros((rows, columns), np.uint8)
    mask[5:20, 4:30], mask[30:50, 50:80], mask[40:58, 5:25] = 1, 2, 3
    return make.builders.dataset(make.builders.scan(rows, columns)), mask


def some_of(mask: LabelMap, lesions: int) -> LabelMap:
    """The mask with only so many of its lesions, unnumbered."""
    return ((mask > 0) & (mask <= lesions)).astype(np.uint8)


class TestHighdicom:
    """``get_volume`` is what MONAI Label reads with; by source is what its manual shows."""

    def test_reads_every_kind_of_image(self, image: Dataset, make: Any) -> None:
        frame = make.frame_of(image)
        documents = documents_for(image, make.reading(image, frame))
        read = hd.seg.segread(io.BytesIO(segmentation_of(documents)))
        if "NumberOfFrames" in image:
            by_source = read.get_pixels_by_source_frame(
                image.SOPInstanceUID, [frame + 1], combine_segments=True
            )
        else:
            by_source = read.get_pixels_by_source_instance(
                [image.SOPInstanceUID], combine_segments=True
            )
        volume = read.get_volume(combine_segments=True)

        np.testing.assert_array_equal(by_source[0], label_map_of(documents))
        np.testing.assert_array_equal(volume.array[0], label_map_of(documents))
        assert volume.spacing == pytest.approx((1.0, 0.08, 0.1))

    @pytest.mark.parametrize("lesions", [1, 2, 3])
    def test_reads_an_odd_size(self, lesions: int, make: Any) -> None:
        image, mask = odd_image(make)
        documents = documents_for(image, make.reading(image, mask=some_of(mask, lesions)))
        read = hd.seg.segread(io.BytesIO(segmentation_of(documents)))
        by_source = read.get_pixels_by_source_instance(
            [image.SOPInstanceUID], combine_segments=True
        )

        assert len(documents.lesions) == lesions
        np.testing.assert_array_equal(by_source[0], label_map_of(documents))
        np.testing.assert_array_equal(
            read.get_volume(combine_segments=True).array[0], label_map_of(documents)
        )

    def test_reads_what_the_report_says(self, make: Any) -> None:
        image = make.images["mono"]()
        documents = documents_for(image, make.reading(image))
        assert documents.report is not None
        report: Any = hd.sr.srread(io.BytesIO(documents.report.data))
        groups = report.content.get_planar_roi_measurement_groups()
        told = {
            one.name.meaning: (one.value, one.unit.value) for one in groups[0].get_measurements()
        }

        assert [group.tracking_uid for group in groups] == [
            lesion.tracking_uid for lesion in documents.lesions
        ]
        assert [group.reference_type.value for group in groups] == [
            "121214",
            "121214",
        ]  # a segmentation frame
        assert told == {
            "Long Axis": (6.8, "mm"),
            "Short Axis": (4.941, "mm"),
            "Area": (16.0, "mm2"),
            "Perimeter": (18.128, "mm"),
            "Height": (3.2, "mm"),
            "Width": (6.0, "mm"),
            "Depth to width ratio": (0.533, "{ratio}"),
            "Probability of cancer": (70.0, "%"),
        }


def _program(name: str) -> str:
    """A program of the environment the tests run in."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} (dcmqi) is absent")
    return found


@pytest.mark.dcmqi
class TestDcmqi:
    """What Slicer's QuantitativeReporting reads with."""

    def read(self, data: bytes, folder: Path) -> tuple[LabelMap, tuple[float, float]]:
        """The segments in one label map, with the (row, column) spacing."""
        (folder / "seg.dcm").write_bytes(data)
        command = [_program("segimage2itkimage"), "--inputDICOM", str(folder / "seg.dcm")]
        run = subprocess.run(
            [*command, "--outputDirectory", str(folder), "-t", "nrrd"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        told = json.loads((folder / "meta.json").read_text())["segmentAttributes"]
        labels: LabelMap | None = None
        for number, (segment,) in enumerate(told, start=1):
            volume: Any = SimpleITK.ReadImage(str(folder / f"{number}.nrrd"))
            marked = SimpleITK.GetArrayFromImage(volume)[0] > 0
            labels = np.zeros(marked.shape, np.uint8) if labels is None else labels
            labels[marked] = segment["labelID"]
            spacing = volume.GetSpacing()
        assert labels is not None
        return labels, (spacing[1], spacing[0])

    @pytest.mark.parametrize("kind", ["mono", "jpeg", "cine", "palette", "korean"])
    def test_reads_pixels_and_spacing(self, kind: str, make: Any, tmp_path: Path) -> None:
        image = make.images[kind]()
        documents = documents_for(image, make.reading(image, make.frame_of(image)))
        labels, spacing_mm = self.read(segmentation_of(documents), tmp_path)

        np.testing.assert_array_equal(labels, label_map_of(documents))
        assert spacing_mm == pytest.approx((0.08, 0.1))

    @pytest.mark.parametrize("lesions", [1, 2, 3])
    def test_reads_an_odd_size(self, lesions: int, make: Any, tmp_path: Path) -> None:
        image, mask = odd_image(make)
        documents = documents_for(image, make.reading(image, mask=some_of(mask, lesions)))

        np.testing.assert_array_equal(
            self.read(segmentation_of(documents), tmp_path)[0], label_map_of(documents)
        )

    def test_reads_the_report(self, make: Any, tmp_path: Path) -> None:
        image = make.images["mono"]()
        report = documents_for(image, make.reading(image)).report
        assert report is not None
        (tmp_path / "sr.dcm").write_bytes(report.data)
        command = [_program("tid1500reader"), "--inputDICOM", str(tmp_path / "sr.dcm")]
        run = subprocess.run(
            [*command, "--outputMetadata", str(tmp_path / "sr.json")],
            capture_output=True,
            text=True,
            check=False,
        )

        assert run.returncode == 0, run.stdout + run.stderr
        assert "Long Axis" in (tmp_path / "sr.json").read_text()


@pytest.mark.adapters
class TestCornerstone:
    """What OHIF reads with."""

    def read(
        self, cases: list[tuple[Dataset, bytes]], make: Any, cornerstone: Cornerstone, folder: Path
    ) -> list[Any]:
        jobs = []
        for number, (image, data) in enumerate(cases):
            path = folder / f"{number}.dcm"
            path.write_bytes(data)
            jobs.append({"file": str(path), "sources": [make.source_of(image)]})
        return cornerstone("read.mjs", jobs)

    def test_reads_every_kind_of_image(
        self, make: Any, cornerstone: Cornerstone, tmp_path: Path
    ) -> None:
        images = [build() for build in make.images.values()]
        made = [documents_for(one, make.reading(one, make.frame_of(one))) for one in images]
        cases = [(one, segmentation_of(of)) for one, of in zip(images, made, strict=True)]
        placed = list(make.images).index("placed")  # the viewer would know its place, we do not
        del images[placed], made[placed], cases[placed]
        answers = self.read(cases, make, cornerstone, tmp_path)

        for image, documents, answer in zip(images, made, answers, strict=True):
            (only,) = answer
            values = np.frombuffer(base64.b64decode(only["values"]), np.uint8)
            address = f"/{image.SOPInstanceUID}/frames/{make.frame_of(image) + 1}"
            assert only["image"].endswith(address)
            np.testing.assert_array_equal(values, label_map_of(documents).ravel())

    def test_without_geometry_it_refuses(
        self, make: Any, cornerstone: Cornerstone, tmp_path: Path
    ) -> None:
        image = make.images["mono"]()
        plain = documents_for(image, make.reading(image), options=DocumentOptions(geometry="none"))
        (answer,) = self.read([(image, segmentation_of(plain))], make, cornerstone, tmp_path)

        assert "ImageOrientationPatient" in answer["error"]

    def test_reads_every_size(self, make: Any, cornerstone: Cornerstone, tmp_path: Path) -> None:
        sizes = [(rows, columns) for rows in (60, 61, 62, 63) for columns in (80, 82, 83, 85, 88)]
        images = [odd_image(make, *size) for size in sizes]
        made = [
            (image, documents_for(image, make.reading(image, mask=some_of(mask, lesions))))
            for image, mask in images
            for lesions in (1, 2, 3)
        ]
        cases = [(image, segmentation_of(documents)) for image, documents in made]
        answers = self.read(cases, make, cornerstone, tmp_path)

        assert {len(documents.lesions) for _, documents in made} == {1, 2, 3}
        for (_, documents), (only,) in zip(made, answers, strict=True):
            values = np.frombuffer(base64.b64decode(only["values"]), np.uint8)
            np.testing.assert_array_equal(values, label_map_of(documents).ravel())

    def test_bits_of_some_sizes_it_still_takes_apart_wrongly(
        self, make: Any, cornerstone: Cornerstone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When this fails, a newer release finds them: bits can be written for every size."""
        monkeypatch.setattr(segmentation, "cornerstone_finds_bits", lambda *_: True)
        image, mask = odd_image(make)
        one, two = (
            documents_for(image, make.reading(image, mask=some_of(mask, lesions)))
            for lesions in (1, 2)
        )
        cases = [(image, segmentation_of(documents)) for documents in (one, two)]
        refused, misplaced = self.read(cases, make, cornerstone, tmp_path)
        values = np.frombuffer(base64.b64decode(misplaced[0]["values"]), np.uint8)

        assert "Unexpected 1-bit SEG PixelData length 634" in refused["error"]
        assert not np.array_equal(values, label_map_of(two).ravel())
