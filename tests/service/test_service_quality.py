"""Labels are looked at after they were saved, and doubtful ones are flagged."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sonoloop.errors import ConfigError, InvalidRequestError
from sonoloop.geometry import LabelMap
from sonoloop.labels import Pathology
from sonoloop.records import Annotation
from sonoloop.service.quality import QualityService, dismissal, flag_kind, flag_state
from sonoloop.service.server import Service
from sonoloop.store import NewAnnotation

SHAPE = (40, 60)
LESION = (slice(10, 20), slice(15, 30))
"""What every drawn image shows, and the model marks."""

Save = Callable[..., Annotation]


def outline(*parts: tuple[slice, slice]) -> LabelMap:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    for part in parts:
        mask[part] = 1
    return mask


RIGHT = outline(LESION)
WRONG = outline((slice(28, 38), slice(40, 55)))


@pytest.fixture
def save(service: Service) -> Save:
    """Saves a label of an image by number, as a client does."""

    def saving(number: int = 0, mask: LabelMap | None = RIGHT, **said: Any) -> Annotation:
        image_id = service.store.images.list()[number].image_id
        facts: dict[str, Any] = {"pathology": Pathology.BENIGN, "reader": "ann"} | said
        annotation = service.store.annotations.save(NewAnnotation(image_id=image_id, **facts), mask)
        service.quality.look_at(image_id)
        return annotation

    return saving


def found(service: Service, state: str = "open") -> list[tuple[str, str, str]]:
    """Image, reader and kind of flags, oldest first."""
    assert service.quality.wait_until_idle(20)
    flags = service.store.quality.list(state=flag_state(state))
    return [(flag.image_id, flag.reader, flag.kind) for flag in reversed(flags)]


@pytest.fixture
def ready(service: Service) -> Service:
    """A service whose models are loaded."""
    service.inference.pipeline()
    return service


def test_a_label_like_the_models_raises_nothing(ready: Service, save: Save) -> None:
    save()

    assert found(ready) == []
    assert ready.store.quality.unchecked() == ()


def test_a_label_far_from_the_models_is_flagged_and_kept_out_of_training(
    ready: Service, save: Save
) -> None:
    saved = save(mask=WRONG)

    assert found(ready) == [(saved.image_id, "ann", "far_from_model")]
    assert ready.store.quality.open_images() == {saved.image_id}
    assert ready.store.quality.list()[0].figures["model_id"] == "seg-1"


def test_a_revision_of_the_reader_mends_his_flag(ready: Service, save: Save) -> None:
    save(mask=WRONG)
    assert len(found(ready)) == 1

    save(mask=RIGHT)

    assert found(ready) == []
    assert [kind for _, _, kind in found(ready, "fixed")] == ["far_from_model"]


def test_readers_who_outline_different_things_are_both_flagged(ready: Service, save: Save) -> None:
    ann = save(reader="ann")
    save(reader="bob", mask=WRONG)

    assert sorted(found(ready)) == [
        (ann.image_id, "ann", "far_from_reader"),
        (ann.image_id, "bob", "far_from_model"),
        (ann.image_id, "bob", "far_from_reader"),
    ]


def test_an_accepted_label_is_doubted_no_more(ready: Service, save: Save) -> None:
    saved = save(mask=WRONG)
    assert len(found(ready)) == 1

    ready.store.reviews.accept(saved.annotation_id, "rev")
    ready.quality.look_at(saved.image_id)

    assert found(ready) == []


def test_an_adjudication_ends_every_doubt(ready: Service, save: Save) -> None:
    save(reader="ann")
    save(reader="bob", mask=WRONG)
    assert len(found(ready)) == 3

    save(reader="chief", adjudicates=True)

    assert found(ready) == []


def test_incomplete_labels_are_flagged(ready: Service, save: Save) -> None:
    first = save(0, pathology=None)
    second = save(1, mask=None)

    assert found(ready) == [
        (first.image_id, "ann", "mask_without_class"),
        (second.image_id, "ann", "class_without_mask"),
    ]


def test_what_a_dead_server_left_is_looked_at_without_the_model(
    open_service: Callable[..., Service],
) -> None:
    with open_service() as first:
        first.quality.close()
        image_id = first.store.images.list()[0].image_id
        new = NewAnnotation(image_id=image_id, reader="ann")
        first.store.annotations.save(new, WRONG)

    second = open_service()

    assert found(second) == [(image_id, "ann", "mask_without_class")]


def test_stated_near_duplicates_with_different_classes_are_flagged_and_mended_together(
    ready: Service, save: Save
) -> None:
    records = ready.store.images.list()[:2]
    from sonoloop.store.images import ImageDescription

    ready.store.images.describe_many(
        [ImageDescription(image_id=record.image_id, group="g1") for record in records]
    )
    save(0)
    save(1, pathology=Pathology.MALIGNANT)

    assert sorted(found(ready)) == sorted(
        (record.image_id, "ann", "duplicates_disagree") for record in records
    )

    save(1)

    assert found(ready) == []


def test_the_job_finds_near_duplicates_by_their_pixels(
    open_service: Callable[..., Service], studies: Path
) -> None:
    pixels = np.asarray(Image.open(studies / "img0.png"))
    Image.fromarray(np.clip(pixels * 0.9 + 5, 0, 255).astype(np.uint8)).save(studies / "img1.png")
    service = open_service()
    service.inference.pipeline()
    ids = [record.image_id for record in service.store.images.list()]
    classes: Sequence[Pathology] = [Pathology.BENIGN, Pathology.MALIGNANT, Pathology.BENIGN]
    for image_id, pathology in zip(ids, classes, strict=False):
        new = NewAnnotation(image_id=image_id, reader="ann", pathology=pathology)
        service.store.annotations.save(new, RIGHT)

    job = service.quality.check_all(wait=True)

    assert job.status == "DONE", job.details
    assert "3 labelled images checked, 1 pairs of near-duplicates" in job.details[-1]
    assert sorted(found(service)) == [
        (ids[0], "ann", "duplicates_disagree"),
        (ids[1], "ann", "duplicates_disagree"),
    ]

    agreed = NewAnnotation(image_id=ids[1], reader="ann", pathology=Pathology.BENIGN)
    service.store.annotations.save(agreed, RIGHT)
    service.quality.look_at(ids[1])

    assert found(service) == []


def test_kinds_a_project_does_not_mind_are_not_raised(service: Service, save: Save) -> None:
    lenient = QualityService(
        service.store,
        service.images,
        service.inference,
        service.jobs,
        ignored=["mask_without_class"],
    )
    save(pathology=None)
    assert len(found(service)) == 1

    lenient.check_all(wait=True)

    assert found(service) == []


def test_an_unknown_kind_to_ignore_is_told(service: Service) -> None:
    with pytest.raises(ConfigError, match="quality_ignored: unknown fragment "):
        QualityService(
            service.store, service.images, service.inference, service.jobs, ignored=["fragment"]
        )


def test_pixels_that_have_gone_hold_up_nothing(ready: Service, save: Save, studies: Path) -> None:
    (studies / "img0.png").unlink()
    ready.images = type(ready.images)(ready.store, ready.source)

    saved = save(0, pathology=None)

    assert (saved.image_id, "ann", "mask_without_class") in found(ready)


def test_words_of_requests_are_checked() -> None:
    assert flag_kind("fragments") == "fragments"
    with pytest.raises(InvalidRequestError, match="unknown kind of flag 'specks'"):
        flag_kind("specks")
    with pytest.raises(InvalidRequestError, match="unknown state of a flag 'shut'"):
        flag_state("shut")
    assert dismissal({"client_id": "rev", "reason": " fine "}) == ("rev", "fine")
    with pytest.raises(InvalidRequestError, match="needs reviewer"):
        dismissal({"reason": "fine"})
    with pytest.raises(InvalidRequestError, match="needs reason"):
        dismissal({"reviewer": "rev", "reason": " "})
    with pytest.raises(InvalidRequestError, match="needs reason"):
        dismissal({"reviewer": "rev", "reason": "a\0b"})
