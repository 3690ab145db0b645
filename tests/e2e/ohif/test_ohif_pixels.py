"""Every kind of ultrasound image is drawn with its own mask, of a folder and of a PACS."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drawn_studies import Drawn, Studio
from ohif_screen import PREDICTED, Screen
from served_masks import predicted_mask

pytestmark = [pytest.mark.browser, pytest.mark.ohif]

GAP = 60
"""Grey levels by which the drawn lesion is brighter on the screen than what is around it."""


@pytest.fixture(scope="module")
def images(studio: Studio) -> dict[str, list[Drawn]]:
    """Images by kind."""
    return {
        "mono": [studio.single("mono", "a")],
        "colour": [studio.single("colour", "a", colour=True)],
        "palette": [studio.single("palette", "a", palette=True)],
        "cine": studio.cine("cine", "a"),
        "mixed": [
            studio.single("mixed", "a", (96, 128)),
            studio.single("mixed", "b", (300, 180)),
            *studio.cine("mixed", "c", (120, 200))[:1],
            studio.single("mixed", "d", (121, 203), colour=True),
        ],
    }


@pytest.fixture(scope="module", params=["folder", pytest.param("pacs", marks=pytest.mark.pacs)])
def site(
    request: pytest.FixtureRequest,
    images: Any,
    studio: Studio,
    make_site: Callable[..., AbstractContextManager[Any]],
) -> Iterator[Any]:
    """A server whose studies lie in a folder, or in Orthanc."""
    if request.param == "folder":
        with make_site(studio.folder) as made:
            yield made
        return
    pacs = request.getfixturevalue("orthanc_server")
    pacs.clear()
    for path in sorted(studio.folder.glob("*.dcm")):
        pacs.store(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SONOLOOP_PACS_USER", pacs.user)
        patch.setenv("SONOLOOP_PACS_PASSWORD", pacs.password)
        with make_site(pacs.url) as made:
            yield made
    pacs.clear()


@pytest.mark.parametrize("kind", ["mono", "colour", "palette"])
def test_single_images(
    kind: str, site: Any, images: dict[str, list[Drawn]], open_screen: Callable[..., Screen]
) -> None:
    (image,) = images[kind]
    screen = open_screen(site.url)

    screen.study(image.study)
    shown = screen.until_shown(image.image)
    screen.until_stage(PREDICTED)
    screen.shot(f"kind-{kind}")

    assert (shown.lesion == image.mask).all()
    assert contrast(screen, image.mask) > GAP


def test_every_frame_of_a_cine_has_a_mask_of_its_own(
    site: Any, images: dict[str, list[Drawn]], open_screen: Callable[..., Screen]
) -> None:
    frames = images["cine"]
    screen = open_screen(site.url)

    screen.study(frames[0].study, frames[0])
    seen = []
    for number, frame in enumerate(frames):
        if number:
            screen.scroll(1)
        seen.append(screen.until_shown(frame.image))
        screen.until_stage(PREDICTED)
    screen.shot("kind-cine")

    for frame, shown in zip(frames, seen, strict=True):
        assert (shown.lesion == predicted_mask(site.url, frame.image)).all()
        assert (shown.lesion != frame.mask).mean() < 0.01  # of JPEG, about what was drawn
    assert contrast(screen, frames[-1].mask) > GAP


def test_a_frame_can_be_opened_by_its_address(
    site: Any, images: dict[str, list[Drawn]], open_screen: Callable[..., Screen]
) -> None:
    frame = images["cine"][3]
    screen = open_screen(site.url)

    screen.study(frame.study, frame)

    assert (screen.until_shown(frame.image).lesion == predicted_mask(site.url, frame.image)).all()


def test_images_of_several_sizes_in_one_series(
    site: Any, images: dict[str, list[Drawn]], open_screen: Callable[..., Screen]
) -> None:
    # The viewer complains when its page is left while it still draws.
    screen = open_screen(site.url, forgiven=("viewport has been destroyed",))

    for image in images["mixed"]:
        screen.study(image.study, image)
        shown = screen.until_shown(image.image)
        screen.until_stage(PREDICTED)

        assert (shown.lesion == predicted_mask(site.url, image.image)).all()
        assert contrast(screen, image.mask) > GAP
    screen.shot("kind-mixed")


def contrast(screen: Screen, mask: np.ndarray) -> float:
    """How much brighter the screen is where the lesion was drawn than elsewhere in the image."""
    picture = np.asarray(Image.open(io.BytesIO(screen.page.screenshot())).convert("L")).astype(int)
    rng = np.random.default_rng(0)
    inside, outside = (
        [
            picture[round(y), round(x)]
            for row, column in rng.permutation(np.argwhere(part))[:40]
            for x, y in [screen.place(int(column), int(row))]
        ]
        for part in (mask, ~mask)
    )
    return float(np.median(inside) - np.median(outside))
