"""Every layout: what is read, and what is skipped for which reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sonoloop.datasets.layouts import detect_layout, read_dataset
from sonoloop.datasets.reading import DatasetReading
from sonoloop.errors import DatasetError
from sonoloop.labels import Pathology

Lay = Callable[..., Path]


def by_id(reading: DatasetReading) -> dict[str, str]:
    return {image.image_id: image.patient for image in reading.images}


def reasons(reading: DatasetReading) -> dict[str, str]:
    return {skipped.image: skipped.reason for skipped in reading.skipped}


class TestBusi:
    def test_near_duplicates_stand_for_one_patient(self, busi: Path) -> None:
        reading = read_dataset(busi)

        assert (reading.layout, reading.name) == ("busi", "busi")
        assert by_id(reading) == {
            "busi-normal-1": "busi-normal-1",
            "busi-benign-2": "busi-group-7",
            "busi-malignant-10": "busi-group-7",
        }
        assert [image.label_conflict for image in reading.images] == [False, True, True]

    def test_several_masks_of_an_image_are_kept_together(self, busi: Path) -> None:
        image = read_dataset(busi).images[1]

        names = [path.name for path in image.mask_paths]
        assert names == ["benign (2)_mask.png", "benign (2)_mask_1.png"]
        assert image.pathology is Pathology.BENIGN

    def test_a_normal_image_without_mask_file_is_known_to_be_empty(self, busi: Path) -> None:
        (busi / "normal/normal (1)_mask.png").unlink()

        image = read_dataset(busi).images[0]

        assert image.has_mask
        assert image.mask_paths == ()

    def test_what_is_left_out_is_told_with_the_reason(self, busi: Path) -> None:
        (busi / "benign/benign (2).png").unlink()
        (busi / "malignant/malignant (11).png").touch()
        (busi / "malignant/Thumbs.db").touch()

        assert reasons(read_dataset(busi)) == {
            "benign/benign (2)_mask.png": "mask without image",
            "malignant/malignant (11).png": "image without mask",
            "malignant/Thumbs.db": "not named as BUSI names files",
        }


class TestBusbra:
    def test_an_image_carries_case_fold_scanner_and_assessment(self, busbra: Path) -> None:
        reading = read_dataset(busbra)

        first = reading.images[0]
        assert (reading.layout, len(reading.images), reading.skipped) == ("busbra", 3, ())
        assert (first.image_id, first.patient, first.split) == ("bus_0001-l", "busbra-case-1", "3")
        assert (first.pathology, first.birads, first.device) == ("malignant", "4", "Scanner A")
        assert first.mask_paths == (busbra / "Masks/mask_0001-l.png",)
        assert reading.images[2].device is None

    def test_what_is_left_out_is_told_with_the_reason(self, busbra: Path) -> None:
        (busbra / "Images/bus_0001-l.png").unlink()
        (busbra / "Masks/mask_0001-r.png").unlink()
        (busbra / "Images/bus_0009-l.png").touch()
        (busbra / "Masks/mask_0008-l.png").touch()

        assert reasons(read_dataset(busbra)) == {
            "Images/bus_0001-l.png": "mask without image",
            "Images/bus_0001-r.png": "image without mask",
            "Images/bus_0009-l.png": "image is not listed in bus_data.csv",
            "Masks/mask_0008-l.png": "mask is not listed in bus_data.csv",
        }

    def test_a_table_without_a_needed_column_is_refused(self, busbra: Path) -> None:
        (busbra / "bus_data.csv").write_text("ID,Case\nbus_0001-l,1\n")

        with pytest.raises(DatasetError, match=r"lacks column BIRADS, Device, Pathology"):
            read_dataset(busbra)


class TestManifest:
    def test_a_row_may_name_several_masks_and_a_frame(self, lay: Lay) -> None:
        root = lay(
            "cine.dcm",
            "m1.png",
            "m2.png",
            manifest="image,mask,pathology,patient,frame,birads\n"
            "cine.dcm,m1.png;m2.png,Malignant,p1,3,4a\n",
        )

        image = read_dataset(root).images[0]

        assert (image.frame, image.birads, image.patient) == (3, "4A", "p1")
        assert image.mask_paths == (root / "m1.png", root / "m2.png")
        assert image.image_id.endswith("_f3")

    def test_a_normal_image_needs_no_mask_and_an_unknown_one_has_none(self, lay: Lay) -> None:
        root = lay("a.png", "b.png", manifest="image,pathology\na.png,normal\nb.png,\n")

        normal, unknown = read_dataset(root).images

        assert (normal.has_mask, unknown.has_mask) == (True, False)
        assert unknown.pathology is None

    def test_what_is_left_out_is_told_with_the_reason(self, lay: Lay) -> None:
        root = lay(
            "a.png",
            "b.png",
            "c.png",
            manifest="image,mask,pathology,frame\n"
            "a.png,,benign,\n"
            "a.png,,benign,\n"
            "gone.png,,benign,\n"
            "b.png,gone.png,benign,\n"
            ",m.png,benign,\n"
            "c.png,,nasty,\n"
            "c.png,,benign,two\n",
        )

        told = [(skipped.image, skipped.reason) for skipped in read_dataset(root).skipped]

        assert "appears twice" in told[0][1]
        assert told[1] == ("gone.png", "image file is missing")
        assert told[2] == ("b.png", "mask file is missing: gone.png")
        assert told[3][1] == "mask without image"
        assert "unknown pathology 'nasty'" in told[4][1]
        assert "frame is no number" in told[5][1]

    def test_a_misspelt_column_is_refused_with_a_suggestion(self, lay: Lay) -> None:
        root = lay("a.png", manifest="image,pathologie\na.png,benign\n")

        with pytest.raises(DatasetError, match="did you mean 'pathology'"):
            read_dataset(root)

    def test_a_row_with_a_cell_too_many_is_refused(self, lay: Lay) -> None:
        root = lay("a, b.png", manifest="image,pathology\na, b.png,benign\n")

        with pytest.raises(DatasetError, match=r"3 cells for 2 columns.*in quotes"):
            read_dataset(root)

    def test_spaces_and_a_byte_order_mark_do_no_harm(self, lay: Lay) -> None:
        root = lay("a.png", manifest="\ufeffimage , pathology, patient\n\na.png , benign\n")

        image = read_dataset(root).images[0]

        assert (image.pathology, image.patient) == (Pathology.BENIGN, "")

    def test_a_table_that_is_not_utf8_is_refused(self, lay: Lay) -> None:
        root = lay("a.png", manifest="")
        (root / "manifest.csv").write_bytes("image,patient\na.png,Bär\n".encode("latin-1"))

        with pytest.raises(DatasetError, match="UTF-8 CSV"):
            read_dataset(root)

    def test_the_layout_may_be_named_where_the_table_is_absent(self, lay: Lay) -> None:
        with pytest.raises(DatasetError, match=r"no table 'manifest\.csv'"):
            read_dataset(lay("a.png"), "manifest")


class TestFolder:
    def test_images_are_unlabelled_and_named_by_their_path(self, lay: Lay) -> None:
        root = lay("a/1.png", "b/1.PNG", "b/note.txt", ".hidden/1.png", "b/._1.png")

        reading = read_dataset(root)

        assert reading.layout == "folder"
        assert len({image.image_id for image in reading.images}) == 2
        assert not any(image.has_mask or image.pathology for image in reading.images)

    def test_a_mask_beside_its_image_is_no_image(self, lay: Lay) -> None:
        root = lay("x.png", "x_mask.png", "y_mask.png")

        reading = read_dataset(root)

        assert [image.image_path.name for image in reading.images] == ["x.png", "y_mask.png"]
        assert "manifest.csv" in reasons(reading)["x_mask.png"]

    def test_a_folder_named_after_a_pathology_says_what_its_images_show(self, lay: Lay) -> None:
        root = lay("benign/benign (1).png", "Malignant/7.jpg", "normal/3.png", "other/1.png")

        reading = read_dataset(root)

        found = {str(image.image_path.parent.name): image for image in reading.images}
        assert reading.layout == "folder"
        assert {name: image.pathology for name, image in found.items()} == {
            "benign": "benign",
            "Malignant": "malignant",
            "normal": "normal",
            "other": None,
        }
        assert [name for name, image in found.items() if image.has_mask] == ["normal"]


class TestStudies:
    def test_images_are_found_by_path_or_by_uid(self, lay: Lay) -> None:
        root = lay(
            "p1/1.2.3.dcm",
            "p2/named.dcm",
            "masks/m.png",
            annotations="image_id,mask,pathology,reader,patient,image\n"
            "1.2.3_f4,masks/m.png,benign,reader,p1,\n"
            "1.2.4,,normal,reader,p2,p2/named.dcm\n",
        )

        by_uid, by_path = read_dataset(root).images

        assert (by_uid.image_path, by_uid.frame) == (root / "p1/1.2.3.dcm", 4)
        assert (by_path.image_path, by_path.has_mask) == (root / "p2/named.dcm", True)

    def test_what_is_left_out_is_told_with_the_reason(self, lay: Lay) -> None:
        root = lay(
            "1.2.3.dcm",
            "outside.png",
            annotations="image_id,mask,pathology\n"
            "1.2.3,,benign\n9.9,,benign\n1.2.3,gone.png,\n1.2.3,,odd\n1.2.3,../outside.png,\n",
        )

        told = [skipped.reason for skipped in read_dataset(root).skipped]

        assert told[:2] == ["image file is missing", "mask file is missing: gone.png"]
        assert "unknown pathology 'odd'" in told[2]
        assert told[3] == "path leaves the study folder: '../outside.png'"

    def test_the_layout_may_be_named_where_the_table_is_absent(self, lay: Lay) -> None:
        with pytest.raises(DatasetError, match=r"no table 'annotations\.csv'"):
            read_dataset(lay("a.dcm"), "studies")


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (("Images/bus_1-l.png", "bus_data.csv"), "busbra"),
        (("normal/normal (1).png", "normal/normal (1)_mask.png"), "busi"),
        (("1.dcm", "annotations.csv"), "studies"),
        (("1.png", "manifest.csv"), "manifest"),
        (("1.png",), "folder"),
    ],
)
def test_a_layout_is_recognised_by_its_files(lay: Lay, names: tuple[str, ...], layout: str) -> None:
    assert detect_layout(lay(*names)) == layout


def test_an_absent_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such data set"):
        read_dataset(tmp_path / "gone")


def test_a_data_set_without_usable_image_is_refused_with_the_first_reason(lay: Lay) -> None:
    root = lay(manifest="image\ngone.png\n")

    with pytest.raises(DatasetError, match=r"no usable image .* image file is missing"):
        read_dataset(root)


@pytest.mark.shared_data
def test_the_published_data_sets_are_read_whole(shared_data: Path) -> None:
    busbra = read_dataset(shared_data / "BUSBRA")
    busi = read_dataset(shared_data / "Dataset_BUSI_with_GT")

    assert (len(busbra.images), len({image.patient for image in busbra.images})) == (1492, 852)
    assert (len(busi.images), sum(len(image.mask_paths) for image in busi.images)) == (458, 471)
    assert sum(image.label_conflict for image in busi.images) == 11
    assert busbra.skipped == busi.skipped == ()
