"""The pipeline over a labelled data set."""

from collections.abc import Callable, Sequence

from sonoloop.errors import ImageReadError, LabelReadError
from sonoloop.evaluation.cases import Case, evaluate_case
from sonoloop.geometry import Mask
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.imaging.labelled import read_labelled
from sonoloop.inference.pipeline import DualStagePipeline
from sonoloop.records import Findings, LabelledImage

Watch = Callable[[LabelledImage, UltrasoundImage, Mask, Findings], None]


def evaluate_images(
    pipeline: DualStagePipeline,
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
        The cases, and (image id, reason) of every item that could not be read.
    """
    cases: list[Case] = []
    unread: list[tuple[str, str]] = []
    for item in items:
        try:
            image, truth = read_labelled(item)
        except (ImageReadError, LabelReadError) as error:
            unread.append((item.image_id, str(error)))
        else:
            findings = pipeline(image)
            watch(item, image, truth, findings)
            cases.append(
                evaluate_case(
                    item,
                    truth if item.has_mask else None,
                    pred=findings.mask,
                    probabilities=findings.probabilities,
                    seconds=findings.seconds,
                )
            )
        advance()
    return cases, unread
