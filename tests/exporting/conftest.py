"""A workspace with a bit of everything, and the pictures it speaks of."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sonoloop.geometry import LabelMap
from sonoloop.labels import Pathology
from sonoloop.quality.doubt import FLAG_KINDS, Doubt
from sonoloop.records import ImageRecord, ImageSource
from sonoloop.store import NewAnnotation, Store

SHAPE = (24, 32)


def outline(top: int, left: int, side: int = 8) -> LabelMap:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, SHAPE, dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def record(
    image_id: str, locator: str, source: ImageSource = "folder", **facts: Any
) -> ImageRecord:
    known: dict[str, Any] = {
        "frame": 0,
        "frame_count": 1,
        "rows": SHAPE[0],
        "columns": SHAPE[1],
        "spacing_mm": (0.1, 0.2),
        "patient_id": image_id[0],
        "study_instance_uid": None,
        "series_instance_uid": None,
        "sop_instance_uid": None,
    }
    return ImageRecord(image_id=image_id, source=source, locator=locator, **(known | facts))


def register(store: Store, studies: Path, image_id: str, **facts: Any) -> None:
    """Draw an image into the study folder and tell the store of it."""
    file = studies / "sub" / f"{image_id}.png"
    draw(file, seed=sum(image_id.encode()))
    told = {"file_size": file.stat().st_size, "file_mtime_ns": file.stat().st_mtime_ns}
    store.images.upsert_many([record(image_id, f"sub/{image_id}.png", **(told | facts))])


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    folder = tmp_path / "studies"
    folder.mkdir()
    return folder


@pytest.fixture
def model_folder(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a model folder with a part in a folder of its own."""

    def making(model_id: str) -> Path:
        folder = tmp_path / "made" / model_id
        (folder / "compiled").mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(model_id.encode() * 1000)
        (folder / "card.json").write_text(json.dumps({"model_id": model_id}))
        (folder / "compiled" / "net.xml").write_text("<net/>")
        return folder

    return making


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        yield opened


@pytest.fixture
def full(store: Store, studies: Path, model_folder: Callable[[str], Path]) -> Store:
    """Four images of three patients: two readers on one, one revised, one uploaded, one skipped."""
    for image_id in ("a1", "a2", "b1"):
        register(store, studies, image_id)
    draw(store.paths.uploads / "c1.png", seed=9)
    store.images.upsert_many([record("c1", "c1.png", "upload")])
    card = {"model_id": "m1", "task": "segmentation", "architecture": "fake", "metrics": {"d": 0.5}}
    store.models.register(card, model_folder("m1"))
    store.models.publish("m1")

    def say(image_id: str, reader: str, mask: LabelMap, **said: Any) -> int:
        facts = {"pathology": Pathology.BENIGN, "birads": "3", "source_model": "m1"} | said
        new = NewAnnotation(image_id=image_id, reader=reader, **facts)
        return store.annotations.save(new, mask).annotation_id

    store.leases.take("a1", "ann", strategy="random", reason="by chance", seconds=60)
    first = say("a1", "ann", outline(4, 4))
    say("a1", "ann", outline(5, 4), info={"label_info": [{"name": "lesion"}]})
    second = say("a1", "bob", outline(5, 5), seconds_spent=12.25)
    say("a2", "ann", outline(2, 3), pathology=Pathology.MALIGNANT, birads="5")
    say("c1", "bob", np.zeros(SHAPE, np.uint8), pathology=Pathology.NORMAL, birads=None)
    store.reviews.accept(second, "rev", note="fine")
    doubt = Doubt(kind="fragments", sentence="2 specks")
    store.quality.settle("a2", {first + 3: [doubt]}, kinds=FLAG_KINDS)
    store.skips.add("b1", "bob", "skip", "shadow")
    store.events.append("skip", actor="bob", image_id="b1", details={"why": "shadow"})
    store.jobs.create("scoring", "dice", {"n": 1})
    return store
