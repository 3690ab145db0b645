"""The call sequence of 3D Slicer's MONAI Label module, with Slicer's own loading and writing."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx
import numpy as np
import pytest
from monailabel.client.client import MONAILabelClientException

from people import PASSWORD, bearer, make_people
from sonoloop.imaging.write_dicom import UltrasoundDicom, stable_uid, write_ultrasound_dicom

slicer: Any = pytest.importorskip("slicer", reason="slicer-core is not installed")
vtk: Any = pytest.importorskip("vtk")
numpy_support: Any = pytest.importorskip("vtk.util.numpy_support")

ROW_MM, COLUMN_MM = 0.3, 0.1
"""Of pixels that are higher than wide, so that rows taken for columns are found out."""

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

    def ijk_to_ras(self, node: Any) -> np.ndarray:
        """(4, 4): where in the patient, in millimetres, a voxel is shown."""
        matrix = vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])

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


@pytest.fixture
def calibrated(site: Any, tmp_path: Path) -> dict[str, str]:
    """Ids of a calibrated image and of the last frame of a calibrated cine, on the server."""
    pixels = np.zeros((3, 40, 60), dtype=np.uint8)
    pixels[:, 10:20, 15:30] = 200
    ids = {}
    for kind in ("image", "cine"):
        uid = stable_uid("test", "slicer", kind)
        settings = UltrasoundDicom(
            sop_instance_uid=uid,
            series_instance_uid=f"{uid}.1",
            study_instance_uid=f"{uid}.2",
            patient_id="P",
            spacing_mm=(ROW_MM, COLUMN_MM),
        )
        path = tmp_path / f"{kind}.dcm"
        write_ultrasound_dicom(
            path, pixels if kind == "cine" else pixels[0], settings, cine=kind == "cine"
        )
        with path.open("rb") as file:
            reply = site.http.put("/datastore/image", files={"file": (path.name, file)})
        assert reply.status_code == 200, reply.text
        ids[kind] = f"{uid}_f2" if kind == "cine" else uid
    return ids


@pytest.mark.parametrize("kind", ["image", "cine"])
@pytest.mark.parametrize("extension", ["nrrd", "nii.gz"])
def test_pictures_and_masks_are_shown_in_calibrated_millimetres(
    site: Any, calibrated: dict[str, str], tmp_path: Path, kind: str, extension: str
) -> None:
    module, image = SlicerModule(tmp_path), calibrated[kind]

    def load(name: str, address: str, how: str) -> Any:
        reply = site.http.get(f"{address}&format={extension}")
        assert reply.status_code == 200, reply.text
        path = tmp_path / f"{name}.{extension}"
        path.write_bytes(reply.content)
        return module.load(path, how)

    picture = load("picture", f"/datastore/image?image={image}", "vtkMRMLScalarVolumeNode")
    asked = {"result_extension": f".{extension}"}
    mask_file, findings = site.client.infer("lesion", image, asked)
    drawn = module.load(Path(mask_file), "vtkMRMLLabelMapVolumeNode")
    label_info = [{"name": "lesion", "idx": 1}]
    site.client.save_label(image, mask_file, params={"label_info": label_info})
    kept = load("kept", f"/datastore/label?label={image}", "vtkMRMLLabelMapVolumeNode")

    assert picture.GetSpacing()[:2] == pytest.approx((COLUMN_MM, ROW_MM))
    assert picture.GetImageData().GetDimensions() == (60, 40, 1)
    for mask in (drawn, kept):
        np.testing.assert_allclose(module.ijk_to_ras(mask), module.ijk_to_ras(picture), atol=1e-6)
        np.testing.assert_array_equal(module.voxels(mask)[0], site.lesion)
    in_slicer_mm2 = module.voxels(kept).sum() * np.prod(kept.GetSpacing()[:2])
    assert in_slicer_mm2 == pytest.approx(150 * ROW_MM * COLUMN_MM, rel=1e-6)
    assert findings["spacing_mm"] == pytest.approx([ROW_MM, COLUMN_MM])


def test_a_segment_keeps_its_millimetres_through_the_module(
    site: Any, calibrated: dict[str, str], tmp_path: Path
) -> None:
    module, image = SlicerModule(tmp_path), calibrated["image"]
    path = tmp_path / "picture.nrrd"
    path.write_bytes(site.http.get(f"/datastore/image?image={image}").content)
    volume = module.load(path)
    mask_file, _ = site.client.infer("lesion", image, {"result_extension": ".nrrd"})

    segmentation = module.segments(volume, Path(mask_file), ["lesion"])
    label_map = module.export(segmentation, volume, ["lesion"])

    assert label_map.GetSpacing()[:2] == pytest.approx((COLUMN_MM, ROW_MM))
    np.testing.assert_array_equal(module.voxels(label_map)[0], site.lesion)


def test_the_reviewer_module_compares_approves_and_deletes_versions(
    site: Any, tmp_path: Path
) -> None:
    module, image = SlicerModule(tmp_path), site.ids[0]
    names = ["lesion"]
    label_info = [{"name": "lesion", "idx": 1}]
    mask_file, _ = site.client.infer("lesion", image, {"result_extension": ".nrrd"})
    site.client.save_label(image, mask_file, params={"label_info": label_info, "reader": "bob"})
    path = tmp_path / "picture.nrrd"

    # connect, list, load what the annotator drew
    assert site.http.get("/").status_code == 200
    labels = site.http.get("/datastore/?output=all").json()["objects"][image]["labels"]
    assert list(labels) == ["final"]
    path.write_bytes(site.http.get(f"/datastore/image?image={image}").content)
    volume = module.load(path)
    drawn = tmp_path / "drawn.nrrd"
    drawn.write_bytes(site.http.get(f"/datastore/label?label={image}&tag=final").content)
    label_map = module.export(module.segments(volume, drawn, names), volume, names)

    # a version of one's own, approved, the other one not any more
    module.voxels(label_map)[0, 10] = 0
    review = {"approvedBy": "anna", "level": "easy", "comment": "", "editTime": "2026-11-20"}
    with module.save(label_map, ".nrrd").open("rb") as file:
        saved = site.http.put(
            f"/datastore/label?image={image}&tag=version_1",
            data={"params": told(label_info=label_info, segmentationMeta=review)},
            files={"label": (f"{image}.nrrd", file)},
        )
    assert saved.status_code == 200, saved.text
    for tag, status in (("version_1", "approved"), ("final", "")):
        reply = site.http.put(
            f"/datastore/updatelabelinfo?label={image}&tag={tag}",
            data={"params": told(segmentationMeta=review | {"status": status})},
        )
        assert reply.status_code == 200, reply.text
    labels = site.http.get("/datastore/?output=all").json()["objects"][image]["labels"]
    statuses = {tag: one["info"]["segmentationMeta"]["status"] for tag, one in labels.items()}
    assert statuses == {"final": "", "version_1": "approved"}
    deleted = site.http.delete(f"/datastore/label?id={image}&tag=version_1")

    assert deleted.status_code == 200
    after = site.http.get("/datastore/?output=all").json()["objects"][image]["labels"]
    assert list(after) == ["final"]
    annotation = site.service.store.annotations.latest(image)
    np.testing.assert_array_equal(site.service.store.annotations.mask(annotation), site.lesion)


def test_where_there_are_accounts_the_module_works_with_a_token(site: Any, tmp_path: Path) -> None:
    make_people(site.service)
    module, client = SlicerModule(tmp_path), site.client

    # connect: the module asks whether it must log in, and is let in with name and password alone
    assert client.auth_enabled()
    with pytest.raises(MONAILabelClientException, match="log in first"):
        client.info()
    with pytest.raises(MONAILabelClientException, match="wrong"):
        client.auth_token("anna", "a guess of mine")
    token = client.auth_token("anna", PASSWORD)
    client.update_auth(token)
    assert client.auth_valid_token()

    # Slicer's own downloads send the token when docs/accounts.md was followed
    strategy = next(iter(client.info()["strategies"]))
    sample = client.next_sample(strategy, {})
    address = f"{site.url}/datastore/image?image={quote_plus(sample['id'])}"
    assert httpx.get(address).status_code == 401
    path = tmp_path / sample["name"]
    path.write_bytes(httpx.get(address, headers=bearer(token["access_token"])).content)
    volume = module.load(path)
    mask_file, _ = client.infer("lesion", sample["id"], {"result_extension": ".nrrd"})
    label_map = module.export(
        module.segments(volume, Path(mask_file), ["lesion"]), volume, ["lesion"]
    )
    label_info = [{"name": "lesion", "idx": 1}]
    saved = module.save(label_map, ".nii.gz")
    client.save_label(sample["id"], str(saved), params={"label_info": label_info})

    annotation = site.service.store.annotations.latest(sample["id"])
    assert annotation.reader == "anna"  # whatever client id the module sends
    np.testing.assert_array_equal(site.service.store.annotations.mask(annotation), site.lesion)
    assert client.download_label(sample["id"], "final")
    with pytest.raises(MONAILabelClientException, match="engineer"):
        client.train_start("segmentation", {})


def told(**params: Any) -> str:
    """Parameters as the module sends them in a form."""
    return json.dumps(params)
