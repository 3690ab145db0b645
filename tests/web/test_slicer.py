"""The call sequence of 3D Slicer's MONAI Label module, with Slicer's own loading and writing."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx
import numpy as np
import pytest

slicer: Any = pytest.importorskip("slicer", reason="slicer-core is not installed")
vtk: Any = pytest.importorskip("vtk")
numpy_support: Any = pytest.importorskip("vtk.util.numpy_support")

pytestmark = pytest.mark.slow


class SlicerModule:
    """Does to images and masks what the module does, without its windows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.scene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerSegmentationsModuleLogic()
        self._logic.SetMRMLScene(self.scene)

    def load(self, path: Path, kind: str = "vtkMRMLScalarVolumeNode") -> Any:
        node = self.scene.AddNewNodeByClass(kind)
        storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
        self.scene.AddNode(storage)
        storage.SetFileName(str(path))
        assert storage.ReadData(node) == 1
        return node

    def voxels(self, node: Any) -> np.ndarray:
        """(slices, rows, columns), a view on the node."""
        image = node.GetImageData()
        columns, rows, slices = image.GetDimensions()
        scalars = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
        array: np.ndarray = scalars.reshape(slices, rows, columns)
        return array

    def segments(self, volume: Any, mask_path: Path, names: list[str]) -> Any:
        node = self.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        for name in names:
            node.GetSegmentation().AddEmptySegment(name, name)
        label_map = self.load(mask_path, "vtkMRMLLabelMapVolumeNode")
        ids = self._texts(names)
        assert self._logic.ImportLabelmapToSegmentationNode(label_map, node, ids)
        return node

    def export(self, segmentation: Any, volume: Any, names: list[str]) -> Any:
        label_map = self.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
        self._logic.ExportSegmentsToLabelmapNode(
            segmentation, self._texts(names), label_map, volume
        )
        return label_map

    def save(self, label_map: Any, extension: str) -> Path:
        path = self._folder / f"label{extension}"
        storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
        self.scene.AddNode(storage)
        storage.SetFileName(str(path))
        assert storage.WriteData(label_map) == 1
        return path

    def _texts(self, values: list[str]) -> Any:
        array = vtk.vtkStringArray()
        for value in values:
            array.InsertNextValue(value)
        return array


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd"])
def test_the_module_loads_edits_and_submits(site: Any, tmp_path: Path, extension: str) -> None:
    module, client = SlicerModule(tmp_path), site.client

    # connect
    assert not client.auth_enabled()
    info = client.info()
    assert not info.get("config")
    assert client.train_status(check_if_running=True) is False
    strategy = next(iter(info["strategies"]))

    # next sample, downloaded as it is not on this machine
    sample = client.next_sample(strategy, info["strategies"][strategy]["config"])
    assert not sample["path"]
    assert not (tmp_path / sample["path"]).is_file()
    reply = httpx.get(f"{site.url}/datastore/image?image={quote_plus(sample['id'])}")
    algorithm, digest = sample["checksum"].split(":")
    assert hashlib.new(algorithm.lower(), reply.content).hexdigest() == digest
    path = tmp_path / sample["name"]
    path.write_bytes(reply.content)
    volume = module.load(path)
    assert volume.GetImageData().GetDimensions() == (60, 40, 1)
    picture = site.service.images.load(site.service.images.record(sample["id"])).pixels
    np.testing.assert_array_equal(module.voxels(volume)[0], picture)
    assert "original" not in client.datastore()["objects"][sample["id"]]["labels"]

    # automatic segmentation with the first model that knows the first label
    (model,) = [
        name for name, model in info["models"].items() if info["labels"][0] in model["labels"]
    ]
    mask_file, params = client.infer(
        model, sample["id"], {"result_extension": ".nrrd", "result_dtype": "uint8"}
    )
    names = [name for name, _ in sorted(params["label_names"].items(), key=lambda item: item[1])]
    segmentation = module.segments(volume, Path(mask_file), names)
    label_map = module.export(segmentation, volume, names)
    np.testing.assert_array_equal(module.voxels(label_map)[0], site.lesion)

    # correct the mask and submit it
    module.voxels(label_map)[0, 25:28, 40:45] = 1
    corrected = site.lesion.copy()
    corrected[25:28, 40:45] = 1
    label_info = [{"name": name, "idx": index} for index, name in enumerate(names, start=1)]
    saved = client.save_label(
        sample["id"], str(module.save(label_map, extension)), params={"label_info": label_info}
    )

    assert saved["image"] == saved["label"] == sample["id"]
    assert client.info()["datastore"]["completed"] == 1
    annotation = site.service.store.annotations.latest(sample["id"])
    np.testing.assert_array_equal(site.service.store.annotations.mask(annotation), corrected)


def test_a_draft_is_offered_as_the_original_label(site: Any, tmp_path: Path) -> None:
    module, client = SlicerModule(tmp_path), site.client
    site.http.post("/batch/infer/lesion?run_sync=true", json={})

    sample = client.next_sample("first", {})
    entry = client.datastore()["objects"][sample["id"]]["labels"]["original"]["info"]
    names = list(entry["params"]["label_names"].keys())
    mask_file = client.download_label(sample["id"], "original")

    label_map = module.load(Path(mask_file), "vtkMRMLLabelMapVolumeNode")
    assert names == ["lesion"]
    np.testing.assert_array_equal(module.voxels(label_map)[0], site.lesion)


def test_an_own_volume_goes_through_a_session_and_is_uploaded_on_submit(
    make_site: Callable[..., AbstractContextManager[Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    module = SlicerModule(folder)
    with make_site() as site:
        picture = site.http.get(f"/datastore/image?image={site.ids[0]}")
        path = folder / "volume.nrrd"
        path.write_bytes(picture.content)
        mine = module.save(module.load(path), ".nii.gz")

        session_id = site.client.create_session(str(mine))["session_id"]
        assert site.client.get_session(session_id)
        mask_file, _ = site.client.infer(
            "lesion", "mine", {"result_extension": ".nrrd"}, session_id=session_id
        )
        site.client.upload_image(str(mine), "mine")
        site.client.save_label("mine", mask_file, params={"label_info": []})

        annotation = site.service.store.annotations.latest("mine")
        np.testing.assert_array_equal(site.service.store.annotations.mask(annotation), site.lesion)
