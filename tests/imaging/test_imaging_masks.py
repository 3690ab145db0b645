"""Masks survive every format, and what is no mask of this image is refused."""

import gzip
import io
import zlib
from typing import Any

import nibabel
import nrrd
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from sonoloop.errors import InvalidRequestError, LabelReadError
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.masks import (
    LABEL_EXTENSIONS,
    decode_label_map,
    encode_image,
    encode_label_map,
)

Labels = npt.NDArray[np.uint8]
VOLUMES = (".nrrd", ".seg.nrrd", ".nii", ".nii.gz")
SPACING = (0.07, 0.11)

label_maps = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
    elements=st.integers(0, 7),
)


def lesion() -> Labels:
    """A lesion that looks different when turned or mirrored, in an image that is not square."""
    labels = np.zeros((40, 60), np.uint8)
    labels[5:12, 8:30] = 1
    labels[12:20, 8:12] = 1
    return labels


def as_nrrd(voxels: npt.NDArray[Any], **header: Any) -> bytes:
    """A NRRD file of ``voxels`` as they are, written by pynrrd."""
    stream = io.BytesIO()
    nrrd.write(stream, voxels, header)
    return stream.getvalue()


def as_nifti(voxels: npt.NDArray[Any]) -> bytes:
    image: Any = nibabel.Nifti1Image
    return bytes(image(voxels, np.eye(4)).to_bytes())


def as_picture(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


class TestEveryFormat:
    @given(label_maps, st.sampled_from(LABEL_EXTENSIONS), st.sampled_from([None, SPACING]))
    def test_a_round_trip_changes_nothing(
        self, labels: Labels, extension: str, spacing: tuple[float, float] | None
    ) -> None:
        data = encode_label_map(labels, extension, spacing)
        decoded = decode_label_map(data, f"label{extension}", shape=labels.shape, max_label=7)

        np.testing.assert_array_equal(decoded, labels)
        assert decoded.dtype == np.uint8

    @pytest.mark.parametrize("extension", LABEL_EXTENSIONS)
    def test_equal_masks_give_equal_bytes(self, extension: str) -> None:
        first = encode_label_map(lesion(), extension, SPACING)

        assert encode_label_map(lesion(), extension, SPACING) == first

    @pytest.mark.parametrize("extension", LABEL_EXTENSIONS)
    def test_a_mask_of_truth_values_is_0_and_1(self, extension: str) -> None:
        data = encode_label_map(lesion().astype(bool), extension, None)

        decoded = decode_label_map(data, f"a{extension}", shape=(40, 60))
        np.testing.assert_array_equal(decoded, lesion())

    @pytest.mark.parametrize("extension", LABEL_EXTENSIONS)
    def test_a_turned_mask_is_refused(self, extension: str) -> None:
        data = encode_label_map(lesion().T, extension, SPACING)

        with pytest.raises(LabelReadError, match="does not fit the image"):
            decode_label_map(data, f"a{extension}", shape=(40, 60))

    @pytest.mark.parametrize("extension", LABEL_EXTENSIONS)
    def test_an_unknown_value_is_refused(self, extension: str) -> None:
        data = encode_label_map(lesion() * 3, extension, SPACING)

        with pytest.raises(LabelReadError, match=r"label holds \[3\] in 186 pixels .* 0 to 1"):
            decode_label_map(data, f"a{extension}", shape=(40, 60), max_label=1)

    @pytest.mark.parametrize("extension", LABEL_EXTENSIONS)
    @pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
    def test_a_cut_file_is_refused(self, extension: str, share: float) -> None:
        noise = np.random.default_rng(0).integers(0, 2, (64, 48), dtype=np.uint8)
        data = encode_label_map(noise, extension, SPACING)

        with pytest.raises(LabelReadError, match=r"label|gzip|NRRD"):
            decode_label_map(data[: int(len(data) * share)], f"a{extension}", shape=(64, 48))

    @pytest.mark.parametrize("extension", LABEL_EXTENSIONS)
    @pytest.mark.parametrize("content", [b"", b"not a label", bytes(5000)])
    def test_nonsense_is_refused(self, extension: str, content: bytes) -> None:
        with pytest.raises(LabelReadError, match=r"label|gzip|NRRD"):
            decode_label_map(content, f"a{extension}", shape=(40, 60))


class TestGeometry:
    @pytest.mark.parametrize("extension", [".nrrd", ".seg.nrrd"])
    def test_nrrd_holds_columns_first_and_states_the_scale(self, extension: str) -> None:
        data = encode_label_map(lesion(), extension, SPACING)
        header = nrrd.read_header(stream := io.BytesIO(data))
        voxels = nrrd.read_data(header, stream)

        assert voxels.shape == (60, 40, 1)
        np.testing.assert_array_equal(voxels[:, :, 0].T, lesion())
        assert header["space"] == "left-posterior-superior"
        np.testing.assert_allclose(header["space directions"], np.diag([0.11, 0.07, 1]))

    @pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
    def test_nifti_holds_columns_first_and_states_the_scale(self, extension: str) -> None:
        data = encode_label_map(lesion(), extension, SPACING)
        raw = gzip.decompress(data) if extension.endswith("gz") else data
        volume: Any = nibabel.Nifti1Image.from_bytes(raw)

        assert volume.shape == (60, 40, 1)
        np.testing.assert_array_equal(np.asarray(volume.dataobj)[:, :, 0].T, lesion())
        np.testing.assert_allclose(volume.affine, np.diag([-0.11, -0.07, 1, 1]), rtol=1e-6)

    def test_nrrd_can_be_left_uncompressed_for_viewers_that_need_it(self) -> None:
        data = encode_label_map(lesion(), ".nrrd", None, compress=False)

        assert b"encoding: raw" in data
        assert data.endswith(b"\n\n" + lesion().tobytes())

    def test_a_segmentation_names_its_segment(self) -> None:
        header = nrrd.read_header(io.BytesIO(encode_label_map(lesion(), ".seg.nrrd", None)))

        assert header["Segment0_Name"] == "lesion"
        assert header["Segment0_LabelValue"] == "1"


class TestWhatOthersWrite:
    @pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", "<u4", "<i8", "<f4", ">f8"])
    @pytest.mark.parametrize("dimensions", [2, 3])
    @pytest.mark.parametrize("encoding", ["raw", "gzip"])
    def test_nrrd_of_any_number_type(self, dtype: str, dimensions: int, encoding: str) -> None:
        voxels = lesion().T.astype(dtype).reshape((60, 40, 1)[:dimensions], order="F")
        data = as_nrrd(voxels, encoding=encoding)

        decoded = decode_label_map(data, "A.NRRD", shape=(40, 60))
        np.testing.assert_array_equal(decoded, lesion())

    @pytest.mark.parametrize("dtype", ["u1", "<i2", ">i4", "<f4", "<f8"])
    @pytest.mark.parametrize("dimensions", [2, 3, 4])
    def test_nifti_of_any_number_type(self, dtype: str, dimensions: int) -> None:
        voxels = lesion().T.astype(dtype).reshape((60, 40, 1, 1)[:dimensions])

        decoded = decode_label_map(as_nifti(voxels), "a.nii", shape=(40, 60))
        np.testing.assert_array_equal(decoded, lesion())

    @pytest.mark.parametrize(
        ("kind", "mode"),
        [(k, m) for k in ("PNG", "BMP", "TIFF") for m in ("1", "L", "P", "RGB") if k + m != "BMPP"],
    )
    def test_black_and_white_pictures(self, kind: str, mode: str) -> None:
        picture = Image.fromarray(lesion() * 255).convert(mode)
        if mode == "P":
            picture = Image.fromarray(lesion())
            picture.putpalette([0, 0, 0, 255, 255, 255])
        data = as_picture(picture, kind)

        decoded = decode_label_map(data, f"mask.{kind.lower()}", shape=(40, 60))
        np.testing.assert_array_equal(decoded, lesion())

    def test_an_opaque_grey_picture_with_alpha(self) -> None:
        data = as_picture(Image.fromarray(lesion() * 255).convert("RGBA"))

        decoded = decode_label_map(data, "a.png", shape=(40, 60), max_label=1)
        np.testing.assert_array_equal(decoded, lesion())

    def test_a_16_bit_picture(self) -> None:
        data = as_picture(Image.fromarray(lesion().astype(np.uint16)))

        decoded = decode_label_map(data, "a.png", shape=(40, 60))
        np.testing.assert_array_equal(decoded, lesion())

    def test_for_display_the_lesion_is_white(self) -> None:
        data = encode_label_map(lesion(), ".png", None, for_display=True)

        assert Image.open(io.BytesIO(data)).getextrema() == (0, 255)
        np.testing.assert_array_equal(
            decode_label_map(data, "a.png", shape=(40, 60), max_label=1), lesion()
        )


class TestRefusals:
    @pytest.mark.parametrize("name", ["evil.exe", "label.bin", "label", "a.png.zip", ""])
    def test_other_extensions(self, name: str) -> None:
        with pytest.raises(LabelReadError, match="cannot read a label of extension"):
            decode_label_map(b"", name, shape=(4, 4))

    def test_unknown_extensions_are_not_written(self) -> None:
        with pytest.raises(InvalidRequestError, match=r"cannot write .* '.dcm'"):
            encode_label_map(lesion(), ".dcm", None)

    @pytest.mark.parametrize("value", [0.5, np.nan, np.inf, -1.0, 256.0, 1e30])
    def test_values_that_are_no_labels(self, value: float) -> None:
        voxels = lesion().T[:, :, np.newaxis].astype(np.float64)
        voxels[3, 4, 0] = value

        for data, name in ((as_nrrd(voxels), "a.nrrd"), (as_nifti(voxels), "a.nii")):
            with pytest.raises(LabelReadError, match=r"label holds .* in 1 pixels"):
                decode_label_map(data, name, shape=(40, 60))

    def test_a_stack_of_slices(self) -> None:
        voxels = np.zeros((60, 40, 2), np.uint8)

        for data, name in ((as_nrrd(voxels), "a.nrrd"), (as_nifti(voxels), "a.nii")):
            with pytest.raises(LabelReadError, match="60x40x2 voxels does not fit"):
                decode_label_map(data, name, shape=(40, 60))

    def test_a_coloured_picture(self) -> None:
        colours = np.zeros((40, 60, 3), np.uint8)
        colours[..., 0] = lesion()

        with pytest.raises(LabelReadError, match="coloured or transparent"):
            decode_label_map(as_picture(Image.fromarray(colours)), "a.png", shape=(40, 60))

    @pytest.mark.parametrize("field", ["data file: /etc/passwd", "datafile: x", "byte skip: -1"])
    def test_a_header_that_points_elsewhere(self, field: str) -> None:
        data = encode_label_map(lesion(), ".nrrd", None, compress=False)
        detached = data.replace(b"encoding: raw", b"encoding: raw\n" + field.encode())

        with pytest.raises(LabelReadError, match=r"another file|skips"):
            decode_label_map(detached, "a.nrrd", shape=(40, 60))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("type: uint8", "type: block", "voxels of type 'block'"),
            ("encoding: raw", "encoding: bzip2", "encoding 'bzip2'"),
            ("sizes: 60 40 1", "sizes: 60 x 1", "no usable sizes"),
            ("sizes: 60 40 1", "", "no usable sizes"),
            ("dimension: 3", "dimension: 2", "3 sizes for 2 dimensions"),
        ],
    )
    def test_a_header_that_makes_no_sense(self, old: str, new: str, message: str) -> None:
        data = encode_label_map(lesion(), ".nrrd", None, compress=False)

        with pytest.raises(LabelReadError, match=message):
            decode_label_map(data.replace(old.encode(), new.encode()), "a.nrrd", shape=(40, 60))

    @pytest.mark.parametrize("extension", [".nrrd", ".nii.gz"])
    def test_a_gzip_bomb_is_not_unpacked(self, extension: str) -> None:
        squeeze = zlib.compressobj(9, wbits=31)
        bomb = b"".join(squeeze.compress(bytes(2**20)) for _ in range(64)) + squeeze.flush()
        header = encode_label_map(lesion(), ".nrrd", None).partition(b"\n\n")[0] + b"\n\n"
        data = header + bomb if extension == ".nrrd" else bomb

        with pytest.raises(LabelReadError, match="gzip stream holds more than"):
            decode_label_map(data, f"a{extension}", shape=(40, 60))

    def test_the_bitmap_that_pillow_reads_wrong(self) -> None:
        picture = Image.fromarray(lesion())
        picture.putpalette([0, 0, 0, 255, 255, 255])

        with pytest.raises(LabelReadError, match="two colours with 8 bits"):
            decode_label_map(as_picture(picture, "BMP"), "a.bmp", shape=(40, 60))

    def test_a_picture_that_claims_many_pixels(self) -> None:
        data = encode_label_map(lesion(), ".png", None)
        header = b"IHDR" + (50_000).to_bytes(4) * 2 + data[24:29]
        huge = data[:12] + header + zlib.crc32(header).to_bytes(4) + data[33:]

        with pytest.raises(LabelReadError, match="label"):
            decode_label_map(huge, "a.png", shape=(40, 60))


@pytest.mark.parametrize("extension", [".png", ".nrrd", ".nii.gz"])
def test_an_image_keeps_its_pixels(extension: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (50, 30), dtype=np.uint8)
    image = UltrasoundImage(pixels=pixels, spacing_mm=SPACING, source_format="png")
    data = encode_image(image, extension)

    if extension == ".png":
        decoded = np.asarray(Image.open(io.BytesIO(data)))
    elif extension == ".nrrd":
        decoded = nrrd.read_data(nrrd.read_header(s := io.BytesIO(data)), s)[:, :, 0].T
    else:
        volume: Any = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
        decoded = np.asarray(volume.dataobj)[:, :, 0].T
    np.testing.assert_array_equal(decoded, pixels)
    assert encode_image(image, extension) == data
