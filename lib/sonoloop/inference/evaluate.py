"""The pipeline over a labelled data set."""

from collections.abc import Callable, Sequence

from sonoloop.errors import ImageReadError, LabelReadError
from sonoloop.evaluation.cases import Case, evaluate_case
from sonoloop.geometry import Mask
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.labelled import read_labelled
from sonoloop.records import Findings, LabelledImage

Pipeline = Callable[[UltrasoundImage], Findings]
Watch = Callable[[LabelledImage, UltrasoundImage, Mask, Findings], None]

TWICE = "image id appears twice (the first image of that id is evaluated)"


def evaluate_images(
    pipeline: Pipeline,
    items: Sequence[LabelledImage],
    *,
    advance: Callable[[], None] = lambda: None,
    watch: Watch = lambda item, image, truth, findings: None,
) -> tuple[list[Case], list[tuple[str, str]]]:
    """Run the pipeline on every item and compare.

    Args:
        pipeline: What is evaluated.
        items: With whatever is known of them.
        advance: Called after every image.
        watch: Sees every image with its findings, for pictures.

    Returns:
        The cases, and (image id, reason) of every item that was not evaluated: its files cannot
        be read, or an item before it has the same id.
    """
    cases: list[Case] = []
    left_out: list[tuple[str, str]] = []
    seen: set[str] = set()
    for item in items:
        if item.image_id in seen:
            left_out.append((item.image_id, TWICE))
        else:
            seen.add(item.image_id)
            try:
                cases.append(_evaluate(pipeline, item, watch))
            except (ImageReadError, LabelReadError) as error:
                left_out.append((item.image_id, str(error)))
        advance()
    return cases, left_out


def _evaluate(pipeline: Pipeline, item: LabelledImage, watch: Watch) -> Case:
    image, truth = read_labelled(item)
    findings = pipeline(image)
    watch(item, image, truth, findings)
    return evaluate_case(item, truth if item.has_mask else None, findings)
