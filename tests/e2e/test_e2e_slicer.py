"""3D Slicer's module: its calls in its order, with the masks going through Slicer's own logic.

What ``plugins/slicer/MONAILabel/MONAILabel.py`` does is done here without its window: the calls
through MONAI Label's client, the rest through ``slicer-core``, which is Slicer without Qt.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import numpy as np
import pytest
import requests
from monailabel.client.client import MONAILabelClientException

from sonoloop.imaging.masks import decode_label_map
from sonoloop.imaging.read import read_image

slicer: Any = pytest.importorskip("slicer", reason="slicer-core has no wheel for this Python")

SAMPLES = Path(__file__).parents[2] / "sample-data" / "studies"
BRUSH = (slice(20, 60), slice(100, 150))
SHOWN = ("segmentation", "detection", "deepgrow", "deepedit", "scribbles")
"""Types of models that the module lists."""

pytestmark = pytest.mark.slow


def voxels(image_data: Any) -> np.ndarray:
    """(slices, rows, columns) of VTK image data; writing to it changes the image."""
    from vtkmodules.util import numpy_support

    columns, rows, slices = image_data.GetDimensions()
    to_numpy: Callable[[Any], Any] = numpy_support.vtk_to_numpy
    scalars = to_numpy(image_data.GetPointData().GetScalars())
    grid: np.ndarray = scalars.reshape(slices, rows, columns)
    return grid


class Scene:
    """A scene of 3D Slicer with one volume and its segmentation."""

    def __init__(self, volume: Path) -> None:
        self._scene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerSegmentationsModuleLogic()
        self._logic.SetMRMLScene(self._scene)
        self.volume = self._load(volume, "vtkMRMLScalarVolumeNode")
        self._segmentation = self._scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        self._segmentation.SetReferenceImageGeometryParameterFromVolumeNode(self.volume)

    def _load(self, path: Path, kind: str) -> Any:
        node = self._scene.AddNewNodeByClass(kind)
        storage = self._scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
        storage.SetFileName(str(path))
        assert storage.ReadData(node)
        return node

    @property
    def segments(self) -> list[str]:
        """Names of the segments, in order."""
        segmentation = self._segmentation.GetSegmentation()
        return [
            segmentation.GetNthSegment(number).GetName()
            for number in range(segmentation.GetNumberOfSegments())
        ]

    def add_empty(self, name: str) -> None:
        """An empty segment, as the module makes for each label of ``/info``."""
        self._segmentation.GetSegmentation().AddEmptySegment(name, name, (1.0, 0.0, 0.0))

    def import_mask(self, path: Path, names: list[str]) -> None:
        """A mask in the place of the segments called ``names``."""
        from vtkmodules.vtkCommonCore import vtkStringArray

        ids = vtkStringArray()
        for name in names:
            ids.InsertNextValue(name)
        mask = self._load(path, "vtkMRMLLabelMapVolumeNode")
        assert self._logic.ImportLabelmapToSegmentationNode(mask, self._segmentation, ids)
        self._scene.RemoveNode(mask)

    def paint(self, name: str) -> None:
        """A stroke of the brush."""
        stroke = self._logic.CreateOrientedImageDataFromVolumeNode(self.volume)
        stroke.UnRegister(None)
        grid = voxels(stroke)
        grid[:] = 0
        grid[0, *BRUSH] = 1
        stroke.Modified()
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        mode = logic.MODE_MERGE_MAX
        assert logic.SetBinaryLabelmapToSegment(stroke, self._segmentation, name, mode)

    def save_mask(self, path: Path) -> list[dict[str, Any]]:
        """Write every segment as one label map; what the module says of its values."""
        from vtkmodules.vtkCommonCore import vtkStringArray

        ids = vtkStringArray()
        self._segmentation.GetSegmentation().GetSegmentIDs(ids)
        node = self._scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
        assert self._logic.ExportSegmentsToLabelmapNode(self._segmentation, ids, node, self.volume)
        self._write(node, path, "vtkMRMLVolumeArchetypeStorageNode")
        return [{"name": name, "idx": number} for number, name in enumerate(self.segments, 1)]

    def save_segmentation(self, path: Path) -> None:
        """Write the segmentation in its own format."""
        self._write(self._segmentation, path, "vtkMRMLSegmentationStorageNode")

    def save_volume(self, path: Path) -> None:
        """Write the picture."""
        self._write(self.volume, path, "vtkMRMLVolumeArchetypeStorageNode")

    def _write(self, node: Any, path: Path, storage_kind: str) -> None:
        storage = self._scene.AddNewNodeByClass(storage_kind)
        storage.SetFileName(str(path))
        assert storage.WriteData(node)


@pytest.fixture(scope="module")
def server(
    start_server: Callable[..., Any], tiny_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """A server on the sample data."""
    workspace = tmp_path_factory.mktemp("slicer") / "workspace"
    return start_server(SAMPLES, workspace, models=tiny_models)


@pytest.fixture
def client(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client of the module, which asks whether there are accounts before each call."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    client = server.client(tmp_path)
    assert not client.auth_enabled()
    return client


def fetch(server: Any, sample: dict[str, Any], folder: Path) -> Path:
    """The picture of a sample, saved under its name as Slicer's ``downloadFromURL`` does."""
    address = f"{server.url}/datastore/image?image={quote_plus(sample['id'])}"
    answer = requests.get(address, timeout=30)
    answer.raise_for_status()
    path = folder / str(sample["name"])
    path.write_bytes(answer.content)
    return path


def infer_into(client: Any, scene: Scene, image_id: str) -> dict[str, Any]:
    """What the module does when a user asks for a segmentation."""
    asked = {"result_extension": ".nrrd", "result_dtype": "uint8"}
    mask, params = client.infer("lesion", image_id, asked)
    names = [name for name, _ in sorted(params["label_names"].items(), key=lambda item: item[1])]
    scene.import_mask(Path(mask), names)
    found: dict[str, Any] = params
    return found


def mask_of(client: Any, scene: Scene, image_id: str, tag: str) -> np.ndarray:
    """A label as the server gives it to Slicer."""
    path = Path(client.download_label(image_id, tag))
    node = scene._load(path, "vtkMRMLLabelMapVolumeNode")
    mask: np.ndarray = voxels(node.GetImageData())[0] > 0
    return mask


def test_connecting_shows_one_model_and_its_label(client: Any) -> None:
    info = client.info()

    shown = {name for name, model in info["models"].items() if model["type"] in SHOWN}
    auto = next(n for n, model in info["models"].items() if "lesion" in model["labels"])
    assert not info.get("config")
    assert info["labels"] == ["lesion"]
    assert shown == {"lesion"} == {auto}
    assert {"config"} <= set(info["trainers"]["segmentation"])
    assert all("config" in strategy for strategy in info["strategies"].values())
    assert not client.train_status(check_if_running=True)


def test_a_picture_arrives_in_slicer_pixel_by_pixel(
    client: Any, server: Any, tmp_path: Path
) -> None:
    sample = client.next_sample("first", {})

    scene = Scene(fetch(server, sample, tmp_path))

    path = next(SAMPLES.rglob("phantom-01-1.dcm"))
    image = read_image(path)
    assert image.identity.sop_instance_uid == sample["id"]
    assert image.spacing_mm is not None
    np.testing.assert_array_equal(voxels(scene.volume.GetImageData())[0], image.pixels)
    assert scene.volume.GetSpacing()[:2] == pytest.approx(image.spacing_mm[::-1])
    assert not Path(sample["path"]).is_file()


def test_pictures_beside_one_another_are_no_volume(
    client: Any, server: Any, tmp_path: Path
) -> None:
    entries = client.datastore()["objects"].values()
    samples = [entry["image"]["info"] for entry in entries]
    alike = [s for s in samples if (s["rows"], s["columns"], s["frame_count"]) == (300, 400, 1)]
    cine = [s for s in samples if s["frame_count"] > 1]

    for group in (alike[:3], cine):
        assert len(group) > 1
        files = [fetch(server, {"id": id_of(s), **s}, tmp_path) for s in group]
        for file in files:
            assert Scene(file).volume.GetImageData().GetDimensions()[2] == 1


def id_of(info: dict[str, Any]) -> str:
    """Image id of an entry of the datastore."""
    frame = f"_f{info['frame']}" if info["frame_count"] > 1 else ""
    return f"{info['SOPInstanceUID']}{frame}"


def test_the_whole_visit(client: Any, server: Any, tmp_path: Path) -> None:
    sample = client.next_sample("random", {})
    scene = Scene(fetch(server, sample, tmp_path))
    assert sample["id"] in client.datastore()["objects"]
    for label in client.info()["labels"]:
        scene.add_empty(label)

    params = infer_into(client, scene, sample["id"])
    scene.paint("lesion")
    submitted = tmp_path / "label.nii.gz"
    label_info = scene.save_mask(submitted)
    done_before = client.info()["datastore"]["completed"]
    reply = client.save_label(sample["id"], str(submitted), params={"label_info": label_info})

    assert scene.segments == ["lesion"]
    assert label_info == [{"name": "lesion", "idx": 1}]
    assert set(params["probabilities"]) == {"normal", "benign", "malignant"}
    assert (reply["image"], reply["label"]) == (sample["id"], sample["id"])
    assert client.info()["datastore"]["completed"] == done_before + 1
    saved = mask_of(client, scene, sample["id"], "final")
    assert saved[BRUSH].all()
    with pytest.raises(MONAILabelClientException, match="has no label"):
        client.download_label(sample["id"], "original")


@pytest.mark.parametrize("extension", [".nii.gz", ".seg.nrrd"])
def test_an_edited_mask_comes_back_pixel_by_pixel(
    client: Any, server: Any, tmp_path: Path, extension: str
) -> None:
    sample = client.next_sample("random", {})
    scene = Scene(fetch(server, sample, tmp_path))
    scene.add_empty("lesion")
    scene.paint("lesion")
    submitted = tmp_path / f"label{extension}"
    label_info = scene.save_mask(tmp_path / "label.nii.gz")
    if extension == ".seg.nrrd":
        scene.save_segmentation(submitted)

    client.save_label(sample["id"], str(submitted), params={"label_info": label_info})

    expected = np.zeros((sample["rows"], sample["columns"]), dtype=bool)
    expected[BRUSH] = True
    np.testing.assert_array_equal(mask_of(client, scene, sample["id"], "final"), expected)


def test_a_draft_is_offered_before_the_first_inference(
    client: Any, server: Any, tmp_path: Path
) -> None:
    requests.post(f"{server.url}/batch/infer/lesion?images=unlabeled&run_sync=true", timeout=120)
    sample = client.next_sample("first", {})
    scene = Scene(fetch(server, sample, tmp_path))

    label = client.datastore()["objects"][sample["id"]]["labels"]["original"]
    scene.import_mask(Path(client.download_label(sample["id"], "original")), ["lesion"])

    assert list(label["info"]["params"]["label_names"]) == ["lesion"]
    assert scene.segments == ["lesion"]


def test_a_picture_of_ones_own_is_analysed_in_a_session_and_uploaded(
    client: Any, server: Any, tmp_path: Path
) -> None:
    sample = client.next_sample("first", {})
    scene = Scene(fetch(server, sample, tmp_path))
    own = tmp_path / "own.nii.gz"
    scene.save_volume(own)

    session = client.create_session(str(own))["session_id"]
    assert client.get_session(session)
    mask, _ = client.infer("lesion", "own", {"result_extension": ".nrrd"}, session_id=session)
    by_id, _ = client.infer("lesion", sample["id"], {"result_extension": ".nrrd"})
    uploaded = client.upload_image(str(own), "own-1")
    client.remove_session(session)

    shape = (sample["rows"], sample["columns"])
    own_mask, mask_by_id = (
        decode_label_map(Path(file).read_bytes(), file, shape=shape) for file in (mask, by_id)
    )
    np.testing.assert_array_equal(own_mask, mask_by_id)
    assert uploaded["image"] == "own-1"
    again = Scene(fetch(server, {"id": "own-1", "name": "own-1.nrrd"}, tmp_path))
    np.testing.assert_array_equal(
        voxels(again.volume.GetImageData()), voxels(scene.volume.GetImageData())
    )


def test_a_training_can_be_started_watched_and_stopped(
    client: Any, server: Any, workers: Callable[[str], list[Any]], tmp_path: Path
) -> None:
    for _ in range(3):
        sample = client.next_sample("random", {})
        scene = Scene(fetch(server, sample, tmp_path))
        scene.add_empty("lesion")
        scene.paint("lesion")
        info = scene.save_mask(tmp_path / "label.nii.gz")
        client.save_label(sample["id"], str(tmp_path / "label.nii.gz"), params={"label_info": info})

    started = client.train_start("segmentation", {"max_epochs": 1000, "tracking": "none"})
    running = client.train_status(check_if_running=True)
    status = client.train_status()
    stopped = client.train_stop()

    assert running
    assert status["id"] == started["id"]
    assert status["details"][-1]
    assert (stopped["id"], stopped["status"]) == (started["id"], "STOPPED")
    assert not client.train_status(check_if_running=True)
    assert workers(started["id"]) == []
