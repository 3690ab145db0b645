"""The whole loop with MONAI Label's client: next image, findings, labels, training, new model."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from sonoloop.datasets.layouts import read_dataset
from sonoloop.datasets.reading import DatasetReading
from sonoloop.imaging.masks import decode_label_map
from sonoloop.imaging.read import read_header
from sonoloop.importing.importer import import_dataset
from sonoloop.records import LabelledImage

SAMPLES = Path(__file__).parents[2] / "sample-data" / "studies"
LABELS = 10
IMPORTED = 200
ALREADY_LABELLED = 20

pytestmark = pytest.mark.slow


Outcome: TypeAlias = tuple[str, str, set[str]]
GoRound: TypeAlias = Callable[[Any, Mapping[str, LabelledImage]], Outcome]


@pytest.fixture
def go_round(
    submit: Callable[..., dict[str, Any]], train_one_epoch: Callable[[Any], str]
) -> GoRound:
    """Labels ten images with their truth and trains.

    Gives the model that proposed the last mask, the one that serves in the end, and the images.
    """

    def going(client: Any, truth: Mapping[str, LabelledImage]) -> Outcome:
        labelled: set[str] = set()
        model_before = ""
        for _ in range(LABELS):
            sample = client.next_sample("first", {})
            assert sample["id"] not in labelled
            mask, params = client.infer("lesion", sample["id"], {"result_extension": ".nrrd"})
            shape = (sample["rows"], sample["columns"])
            assert decode_label_map(Path(mask).read_bytes(), mask, shape=shape).shape == shape
            assert np.isclose(sum(params["probabilities"].values()), 1, atol=1e-3)
            model_before = params["models"]["segmentation"]
            submit(client, sample, truth[sample["id"]])
            labelled.add(sample["id"])
        return model_before, train_one_epoch(client), labelled

    return going


def test_the_loop_closes_on_the_sample_data(
    start_server: Callable[..., Any],
    served_models: Path,
    sample_truth: Mapping[str, LabelledImage],
    go_round: GoRound,
    tmp_path: Path,
) -> None:
    server = start_server(SAMPLES, tmp_path / "workspace", models=served_models)
    client = server.client(tmp_path)

    before, after, labelled = go_round(client, sample_truth)

    sample = client.next_sample("random", {})
    _, params = client.infer("lesion", sample["id"], {})
    assert before != after
    assert params["models"]["segmentation"] == after
    assert sample["id"] not in labelled
    assert client.info()["datastore"]["completed"] == LABELS
    assert client.info()["train_stats"]["segmentation"]["epoch"] == 1


@pytest.fixture
def busbra(shared_data: Path) -> DatasetReading:
    """The first images of BUS-BRA."""
    reading = read_dataset(shared_data / "BUSBRA", "busbra")
    return dataclasses.replace(reading, images=reading.images[:IMPORTED], skipped=())


def with_few_labels(reading: DatasetReading) -> DatasetReading:
    """The same images, the first few of them labelled."""
    bare = tuple(
        dataclasses.replace(item, mask_paths=(), has_mask=False, pathology=None, birads=None)
        for item in reading.images[ALREADY_LABELLED:]
    )
    return dataclasses.replace(reading, images=reading.images[:ALREADY_LABELLED] + bare)


def by_uid(studies: Path, reading: DatasetReading) -> dict[str, LabelledImage]:
    """What is known of each imported image, by the UID it was given."""
    item_of = {item.image_id: item for item in reading.images}
    uids = {path.stem: read_header(path).identity for path in studies.rglob("*.dcm")}
    return {str(identity.sop_instance_uid): item_of[stem] for stem, identity in uids.items()}


@pytest.mark.shared_data
def test_the_loop_closes_on_an_imported_data_set(
    start_server: Callable[..., Any],
    served_models: Path,
    busbra: DatasetReading,
    go_round: GoRound,
    tmp_path: Path,
) -> None:
    studies = tmp_path / "studies"
    import_dataset(with_few_labels(busbra), studies, reader="published")
    server = start_server(studies, tmp_path / "workspace", models=served_models)
    client = server.client(tmp_path)
    imported = client.datastore()["objects"]

    before, after, labelled = go_round(client, by_uid(studies, busbra))

    sample = client.next_sample("random", {})
    known = {image_id for image_id, entry in imported.items() if "final" in entry["labels"]}
    assert len(imported) == IMPORTED
    assert len(known) == ALREADY_LABELLED
    assert before != after
    assert sample["id"] not in labelled | known
    assert client.info()["datastore"]["completed"] == ALREADY_LABELLED + LABELS
