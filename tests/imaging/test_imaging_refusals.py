"""Every bad input is refused with a code that fits, quickly, and never read."""

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonoloop.errors import ImageReadError
from sonoloop.imaging.read import read_header, read_image
from sonoloop.imaging.vocabulary import FLAGS, REFUSALS, Refusal

Write = Callable[..., Path]


def _outcome(read: Callable[[], object]) -> str:
    """``read``, or the code of the refusal; any other exception is a failure of the test."""
    try:
        read()
    except ImageReadError as error:
        return error.code
    return "read"


def test_bad_inputs_are_refused_with_a_fitting_code(
    bad_name: str, bad_inputs: dict[str, Any], write: Write
) -> None:
    bad = bad_inputs[bad_name]
    path = write(bad.content, f"image{bad.suffix}")
    started = time.process_time()

    with pytest.raises(ImageReadError, match=": ") as caught:
        read_image(path, frame=bad.frame)

    assert caught.value.code in bad.codes
    assert time.process_time() - started < 5


def test_headers_of_bad_inputs_are_read_or_refused_but_never_crash(
    bad_name: str, bad_inputs: dict[str, Any], write: Write
) -> None:
    bad = bad_inputs[bad_name]
    path = write(bad.content, f"image{bad.suffix}")

    assert _outcome(partial(read_header, path)) in {*bad.codes, "read"}


def test_every_code_is_explained_and_met(bad_inputs: dict[str, Any]) -> None:
    met = {code for bad in bad_inputs.values() for code in bad.codes}

    assert set(REFUSALS) == set(Refusal)
    assert set(Refusal) - met == {"unreadable", "too_large"}  # have tests of their own


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    with path.open("wb") as file:
        file.write(bytes(128) + b"DICM")
        file.truncate(600 * 2**20)

    with pytest.raises(ImageReadError, match="too_large: the file has 629145600 bytes"):
        read_image(path)


@pytest.mark.parametrize("name", ["png_rgb", "bmp_rgb", "tiff_lzw_rgb", "jpeg_picture", "rle_mono"])
def test_a_file_cut_anywhere_is_refused_or_read_whole(
    name: str, good_inputs: dict[str, Any], write: Write
) -> None:
    content = good_inputs[name].content
    suffix = good_inputs[name].suffix
    whole = read_image(write(content, f"whole{suffix}")).pixels
    cuts = [*random.Random(0).sample(range(len(content)), 60), len(content) - 1]

    for cut in cuts:
        try:
            image = read_image(write(content[:cut], f"cut{suffix}"))
        except ImageReadError:
            continue
        assert np.array_equal(image.pixels, whole), f"cut at {cut} gave another picture"


@pytest.mark.parametrize(
    "name",
    [
        "native_rgb",
        "rle_rgb",
        "jpeg_ybr_422",
        "jpeg_ls_mono",
        "jpeg2000_rgb",
        "jpeg_lossless_sv1_mono",
        "palette_segmented",
        "png_palette",
        "tiff_deflate",
    ],
)
def test_a_file_with_changed_bytes_never_does_more_than_be_refused(
    name: str, good_inputs: dict[str, Any], write: Write
) -> None:
    good = good_inputs[name]
    chance = random.Random(name)

    for _ in range(25):
        content = bytearray(good.content)
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(132, len(content))] = chance.randrange(256)
        path = write(bytes(content), f"changed{good.suffix}")
        assert _outcome(partial(read_image, path)) in {*REFUSALS, "read"}


def test_the_page_of_inputs_lists_every_code_flag_and_bad_input(bad_inputs: dict[str, Any]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "inputs.md").read_text()

    listed = {line.split(" | ")[0].removeprefix("| ") for line in page.splitlines()}
    assert set(REFUSALS) | set(FLAGS) | set(bad_inputs) <= listed, "run scripts/input_table"
