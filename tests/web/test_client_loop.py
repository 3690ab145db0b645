"""The whole loop with MONAI Label's own client, over HTTP."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest
from monailabel.client.client import MONAILabelClientException
from PIL import Image

LabelFile = Callable[..., Path]
Until = Callable[..., None]


def save_nifti(voxels: np.ndarray, affine: np.ndarray, path: Path) -> None:
    volume: Any = nibabel.Nifti1Image
    nibabel.save(volume(voxels, affine), path)


def test_the_loop_labels_ten_trains_and_serves_the_new_model(
    site: Any, label_file: LabelFile, until: Until
) -> None:
    client = site.client
    served = client.info()["models"]["lesion"]["model_ids"]["segmentation"]
    labelled = set()
    for number in range(10):
        sample = client.next_sample("random", {})
        mask_file, params = client.infer(
            "lesion", sample["id"], {"result_extension": ".png", "result_dtype": "uint8"}
        )
        assert params["models"]["segmentation"] == served
        pathology = "benign" if number % 2 else "malignant"
        reply = client.save_label(sample["id"], mask_file, params={"pathology": pathology})
        assert reply["label"] == sample["id"]
        labelled.add(sample["id"])
    assert client.info()["datastore"]["completed"] == len(labelled) == 10

    started = client.train_start("segmentation", {"max_epochs": 1})
    assert started["status"] in ("SUBMITTED", "RUNNING")
    until(lambda: client.train_status()["status"] == "DONE")

    def now_served() -> str:
        return str(client.info()["models"]["lesion"]["model_ids"]["segmentation"])

    until(lambda: now_served() != served)
    sample = client.next_sample("first", {})
    assert sample["id"] not in labelled
    _, params = client.infer("lesion", sample["id"], {"result_extension": ".nrrd"})
    assert params["models"]["segmentation"] == now_served()


def test_info_is_what_slicer_and_ohif_expect(shared_site: Any) -> None:
    info = shared_site.client.info()

    assert info["labels"] == ["lesion"]
    assert not info.get("config")
    lesion = info["models"]["lesion"]
    assert (lesion["type"], lesion["labels"], lesion["dimension"]) == (
        "segmentation",
        {"lesion": 1},
        2,
    )
    assert set(info["trainers"]) == {"segmentation", "classification"}
    assert set(info["strategies"]) >= {"random", "first"}
    assert info["datastore"]["total"] == 12
    assert all("lesion" not in m["labels"] for m in [info["models"]["classification"]])
    assert info["sonoloop"]["source"]["state"] == "ready"


@pytest.mark.parametrize("extension", [".png", ".nrrd", ".nii", ".nii.gz", ".seg.nrrd"])
def test_the_mask_comes_on_the_images_own_grid(shared_site: Any, extension: str) -> None:
    site = shared_site

    path, params = site.client.infer("lesion", site.ids[0], {"result_extension": extension})

    if extension == ".png":
        mask = np.asarray(Image.open(path))
    elif "nrrd" in extension:
        mask = nrrd.read(path)[0][..., 0].T
    else:
        volume: Any = nibabel.load(path)
        mask = np.asarray(volume.dataobj)[..., 0].T
    np.testing.assert_array_equal(mask, site.lesion)
    assert params["label_names"] == {"lesion": 1}
    assert params["pathology"] == "malignant"
    assert params["lesions"][0]["box"] == [10, 15, 20, 30]


def test_answers_come_as_json_image_or_both(shared_site: Any) -> None:
    site, form = shared_site, {"params": json.dumps({"result_extension": ".png"})}
    address = f"/infer/lesion?image={site.ids[0]}"

    as_json = site.http.post(f"{address}&output=json", data=form)
    as_image = site.http.post(f"{address}&output=image", data=form)
    as_both = site.http.post(f"{address}&output=all", data=form)

    assert as_json.json()["probabilities"]["malignant"] == 0.7
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(as_image.content))), site.lesion)
    assert as_image.headers["content-disposition"].endswith('.png"')
    assert as_both.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert as_image.content in as_both.content


def test_a_raw_nrrd_holds_the_voxels_in_viewer_order(shared_site: Any) -> None:
    site = shared_site
    form = {"params": json.dumps({"result_extension": ".nrrd", "result_compress": False})}

    reply = site.http.post(f"/infer/lesion?image={site.ids[0]}&output=image", data=form)

    header, _, voxels = reply.content.partition(b"\n\n")
    assert b"encoding: raw" in header
    assert voxels == site.lesion.tobytes()


def test_the_classifier_answers_in_json(shared_site: Any) -> None:
    site = shared_site

    file, raw = site.client.infer("classification", site.ids[0], {})

    assert file is None
    prediction = json.loads(raw)["prediction"]
    assert [entry["label"] for entry in prediction] == ["normal", "benign", "malignant"]
    assert [entry["idx"] for entry in prediction] == [0, 1, 2]
    assert sum(entry["score"] for entry in prediction) == pytest.approx(1)


def test_a_file_sent_along_is_analysed_and_not_kept(site: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    pixels = np.zeros((50, 40), dtype=np.uint8)
    pixels[3:7, 5:9] = 255
    Image.fromarray(pixels).save(path)

    mask_file, _ = site.client.infer("lesion", "", {"result_extension": ".png"}, file=str(path))

    np.testing.assert_array_equal(np.asarray(Image.open(mask_file)), pixels // 255)
    assert site.client.info()["datastore"]["total"] == 12
    assert list(site.service.store.paths.cache.iterdir()) == []


def test_a_session_holds_an_image_until_it_is_removed(site: Any) -> None:
    client = site.client
    picture = site.http.get(f"/datastore/image?image={site.ids[0]}")
    volume = site.service.store.paths.root / "volume.nrrd"
    volume.write_bytes(picture.content)

    created = client.create_session(str(volume))
    session_id = created["session_id"]

    assert created["session_info"]["path"] == ""
    assert client.get_session(session_id)["name"] == session_id
    mask_file, _ = client.infer("lesion", "", {"result_extension": ".png"}, session_id=session_id)
    np.testing.assert_array_equal(np.asarray(Image.open(mask_file)), site.lesion)
    assert client.remove_session(session_id)["name"] == session_id
    with pytest.raises(MONAILabelClientException) as gone:
        client.get_session(session_id)
    assert gone.value.status_code == 404


def test_the_next_sample_is_downloaded_with_its_checksum(shared_site: Any) -> None:
    site = shared_site

    sample = site.client.next_sample("first", {})
    picture = site.http.get(f"/datastore/image?image={sample['id']}")

    assert sample["name"].endswith(f"-{sample['id']}.nrrd")
    assert sample["path"] == ""
    digest = hashlib.sha256(picture.content).hexdigest()
    assert sample["checksum"] == f"SHA256:{digest}"
    head = site.http.head(
        "/datastore/image", params={"image": sample["id"], "check_sum": f"SHA256:{digest}"}
    )
    assert head.status_code == 200
    other = {"image": sample["id"], "check_sum": "SHA256:" + "0" * 64}
    assert site.http.head("/datastore/image", params=other).status_code == 404


def test_two_readers_are_handed_different_images_and_nothing_when_all_is_done(
    site: Any, label_file: LabelFile
) -> None:
    first = site.client.next_sample("first", {})
    other = site.http.post("/activelearning/first", json={"client_id": "reader-2"}).json()
    assert other["id"] != first["id"]

    path = label_file(site.lesion)
    for image_id in site.ids:
        site.client.save_label(image_id, str(path))

    assert site.client.next_sample("random", {}) == {}


def test_labels_come_back_as_they_were_saved(site: Any, label_file: LabelFile) -> None:
    image_id = site.ids[0]
    mask = np.zeros((40, 60), dtype=np.uint8)
    mask[0, 59] = mask[39, 0] = mask[5:9, 7:20] = 1

    site.client.save_label(
        image_id,
        str(label_file(mask * 255)),
        params={"pathology": "Benign", "birads": "4a", "seconds_spent": 12.5, "source_model": "s"},
    )
    downloaded = site.client.download_label(image_id, "final")

    assert downloaded.endswith(".nrrd")
    np.testing.assert_array_equal(nrrd.read(downloaded)[0][..., 0].T, mask)
    entry = site.client.datastore()["objects"][image_id]["labels"]["final"]["info"]
    assert (entry["pathology"], entry["birads"], entry["reader"]) == ("benign", "4A", "reader-1")
    assert (entry["seconds_spent"], entry["source_model"]) == (12.5, "s")
    assert site.http.head(f"/datastore/label?image={image_id}&tag=final").status_code == 200


def test_a_slicer_labelmap_with_segments_is_a_label(site: Any, tmp_path: Path) -> None:
    values = np.zeros((60, 40, 1), dtype=np.int16)
    values[5:9, 5:9, 0], values[20:25, 20:25, 0] = 1, 2
    path = tmp_path / "label.nii.gz"
    save_nifti(values, np.eye(4), path)
    segments = [{"name": "benign", "idx": 1}, {"name": "malignant", "idx": 2}]

    site.client.save_label(site.ids[0], str(path), params={"label_info": segments})

    saved = nrrd.read(site.client.download_label(site.ids[0], "final"))[0]
    np.testing.assert_array_equal(saved, (values > 0).astype(np.uint8))
    info = site.http.get(f"/datastore/label/info?label={site.ids[0]}&tag=final").json()
    assert info["pathology"] == "malignant"
    assert info["label_info"] == segments


def test_no_lesion_is_a_label_without_a_file(site: Any) -> None:
    address = f"/datastore/label?image={site.ids[0]}"

    reply = site.http.put(address, data={"params": json.dumps({"pathology": "normal"})})

    assert reply.json()["pathology"] == "normal"
    assert not nrrd.read(site.client.download_label(site.ids[0], "final"))[0].any()
    assert site.client.info()["datastore"]["completed"] == 1


def test_a_class_told_later_is_a_new_revision_and_other_info_is_not(
    site: Any, label_file: LabelFile
) -> None:
    image_id = site.ids[0]
    site.client.save_label(image_id, str(label_file(site.lesion)))
    address = f"?label={image_id}&tag=final"

    later = {"info": json.dumps({"pathology": "malignant", "birads": 5})}
    assert site.http.put(f"/datastore/label/info{address}", data=later).json() == {}
    meta = {"params": json.dumps({"segmentationMeta": {"status": "approved"}})}
    assert site.http.put(f"/datastore/updatelabelinfo{address}", data=meta).json() == {}

    info = site.http.get(f"/datastore/label/info{address}").json()
    assert (info["pathology"], info["birads"], info["revision"]) == ("malignant", "5", 2)
    assert info["segmentationMeta"] == {"status": "approved"}
    np.testing.assert_array_equal(
        nrrd.read(site.client.download_label(image_id, "final"))[0][..., 0].T, site.lesion
    )


def test_a_label_taken_back_makes_the_image_unlabelled(site: Any, label_file: LabelFile) -> None:
    site.client.save_label(site.ids[0], str(label_file(site.lesion)))

    assert site.http.delete(f"/datastore/label?id={site.ids[0]}&tag=final").json() == {}

    assert site.client.info()["datastore"]["completed"] == 0
    assert site.client.next_sample("first", {})["id"] == site.ids[0]


def test_an_image_is_added_once_and_never_replaced(site: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    Image.fromarray(np.full((39, 47), 3, dtype=np.uint8)).save(path)

    assert site.client.upload_image(str(path), "mine-1") == {"image": "mine-1"}
    assert site.client.upload_image(str(path), "mine-1") == {"image": "mine-1"}
    assert site.client.info()["datastore"]["total"] == 13
    Image.fromarray(np.full((39, 47), 4, dtype=np.uint8)).save(path)
    with pytest.raises(MONAILabelClientException) as refused:
        site.client.upload_image(str(path), "mine-1")

    assert "exists already" in refused.value.msg
    assert site.http.delete("/datastore/image?id=mine-1").json() == {}
    assert site.client.info()["datastore"]["total"] == 12
    assert list(site.service.store.paths.uploads.iterdir()) == []


def test_a_volume_keeps_its_spacing_when_it_is_added(site: Any, tmp_path: Path) -> None:
    voxels = np.zeros((40, 50, 1), dtype=np.uint8)
    voxels[4:9, 6:10] = 222
    path = tmp_path / "volume.nii.gz"
    save_nifti(voxels, np.diag([0.2, 0.1, 1, 1]), path)

    site.client.upload_image(str(path), "volume")

    info = site.http.get("/datastore/image/info?image=volume").json()
    assert info["spacing_mm"] == pytest.approx([0.1, 0.2])
    assert (info["rows"], info["columns"]) == (50, 40)
    picture = tmp_path / "back.nrrd"
    picture.write_bytes(site.http.get("/datastore/image?image=volume").content)
    np.testing.assert_array_equal(nrrd.read(str(picture))[0], voxels)


def test_image_info_is_added_to(site: Any) -> None:
    form = {"info": json.dumps({"note": "left breast"})}

    assert site.http.put(f"/datastore/image/info?image={site.ids[0]}", data=form).json() == {}

    info = site.http.get(f"/datastore/image/info?image={site.ids[0]}").json()
    assert (info["note"], info["rows"], info["Modality"]) == ("left breast", 40, "US")


def test_a_batch_drafts_every_image_and_scoring_compares(site: Any, label_file: LabelFile) -> None:
    (Path(site.service.source._root) / "img03.png").write_bytes(b"torn")

    batch = site.http.post("/batch/infer/lesion?images=all&run_sync=true", json={}).json()

    assert batch["status"] == "DONE"
    assert (batch["progress"]["done"], batch["progress"]["failed"]) == (12, 1)
    drafted = site.client.datastore()["objects"][site.ids[0]]["labels"]["original"]["info"]
    assert drafted["params"]["label_names"] == {"lesion": 1}
    assert site.client.info()["datastore"]["label_tags"] == {"original": 11}
    half = site.lesion.copy()
    half[10:15] = 0
    site.client.save_label(site.ids[0], str(label_file(half)))
    scored = site.http.post("/scoring/dice?run_sync=true", json={}).json()
    assert scored["progress"]["mean"] == pytest.approx(2 / 3, abs=1e-3)
    info = site.http.get(f"/datastore/image/info?image={site.ids[0]}").json()
    assert info["dice"] == pytest.approx(2 / 3, abs=1e-3)
    assert site.http.get("/scoring/").json()["status"] == "DONE"
    assert site.http.delete("/batch/infer").json() is None


def test_the_dataset_is_a_zip_that_can_be_imported(
    site: Any, label_file: LabelFile, until: Until
) -> None:
    site.client.save_label(
        site.ids[1], str(label_file(site.lesion)), params={"pathology": "benign"}
    )

    reply = site.http.get("/datastore/dataset")

    archive = zipfile.ZipFile(BytesIO(reply.content))
    lines = archive.read("manifest.csv").decode().splitlines()
    assert lines[0].startswith("image,mask,pathology,patient,group,birads")
    assert lines[1].startswith(f"images/{site.ids[1]}.png,labels/final/{site.ids[1]}.png,benign")
    mask = np.asarray(Image.open(archive.open(f"labels/final/{site.ids[1]}.png")))
    np.testing.assert_array_equal(mask, site.lesion * 255)
    until(lambda: not list(site.service.store.paths.cache.iterdir()))


def test_models_can_be_looked_at_and_downloaded(shared_site: Any) -> None:
    site = shared_site

    info = site.http.get("/model/info/lesion").json()
    weights = site.http.get("/model/lesion").content

    assert info["model_id"] == "segmentation-0"
    assert info["checksum"] == "SHA256:" + hashlib.sha256(weights).hexdigest()
    assert weights == b"weights of segmentation"


def test_logs_are_text_also_without_a_gpu(shared_site: Any) -> None:
    site = shared_site
    site.service.logs.server_file.write_text("one <b>\ntwo\n")

    assert site.http.get("/logs/?lines=1&text=true").text == "two\n"
    assert "one &lt;b&gt;" in site.http.get("/logs/").text
    assert site.http.get("/logs/gpu").text


def test_training_can_be_asked_about_before_there_was_one(shared_site: Any) -> None:
    assert shared_site.client.train_status(check_if_running=True) is False
    assert shared_site.client.train_stop() is None
    with pytest.raises(MONAILabelClientException) as none_yet:
        shared_site.client.train_status()
    assert "there was no train job yet" in none_yet.value.msg


def test_all_models_are_trained_one_after_the_other(
    site: Any, label_file: LabelFile, until: Until
) -> None:
    path = label_file(site.lesion)
    for number, image_id in enumerate(site.ids):
        pathology = "benign" if number % 2 else "malignant"
        site.client.save_label(image_id, str(path), params={"pathology": pathology})

    answers = site.client.train_start(None, {"segmentation": {"max_epochs": 1}})

    assert answers["segmentation"]["result"]["status"] in ("SUBMITTED", "RUNNING")
    assert answers["classification"]["detail"] is None
    until(lambda: {job["status"] for job in site.http.get("/train/?all=true").json()} == {"DONE"})
    assert "studies" not in site.client.train_status()["request"]
    assert list(site.client.info()["train_stats"]) == ["classification", "segmentation"]


def test_whole_slides_are_refused_with_a_sentence(shared_site: Any) -> None:
    with pytest.raises(MONAILabelClientException) as refused:
        shared_site.client.wsi_infer("lesion", "x")
    assert "this is ultrasound" in refused.value.msg
    assert shared_site.client.auth_enabled() is False
