"""The app as MONAI Label loads it, and the calls its tools make on it."""

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monailabel.interfaces.exception import MONAILabelError, MONAILabelException

from sonoloop.imaging.masks import decode_label_map
from sonoloop.service.info import MODELS, TRAINERS
from sonoloop.tasks.datastore import StoreDatastore

LoadApp = Callable[..., Any]
CHECKOUT = Path(__file__).parents[2]
APP_DIR = CHECKOUT / "apps" / "breast_ultrasound"

pytestmark = pytest.mark.slow  # loads MONAI Label's application class, and with it torch


@pytest.fixture
def app(load_app: LoadApp, studies: Path) -> Any:
    """The app on drawn studies."""
    return load_app(studies)


def test_it_is_our_app_with_every_task(app: Any) -> None:
    assert type(app).__name__ == "BreastUltrasoundApp"
    assert isinstance(app.datastore(), StoreDatastore)
    assert set(app._infers) == set(MODELS)
    assert set(app._trainers) == set(TRAINERS)


def test_main_stays_thin() -> None:
    assert len((APP_DIR / "main.py").read_text().splitlines()) <= 60


def test_info_is_what_the_service_says(app: Any) -> None:
    info = app.info()

    assert info["labels"] == ["lesion"]
    assert info["datastore"]["total"] == 8
    assert set(info["models"]) == set(MODELS)
    assert "config" not in info


def test_an_image_is_analysed_by_its_id(app: Any, lesion: np.ndarray) -> None:
    image_id = app.datastore().list_images()[-1]

    reply = app.infer({"model": "lesion", "image": image_id, "result_extension": ".nii.gz"})

    data = Path(reply["file"]).read_bytes()
    found = decode_label_map(data, reply["file"], shape=lesion.shape)
    np.testing.assert_array_equal(found, lesion)
    assert reply["params"]["pathology"] == "malignant"
    Path(reply["file"]).unlink()


def test_a_draft_is_kept_when_asked_for(app: Any) -> None:
    image_id = app.datastore().list_images()[-1]

    reply = app.infer({"model": "lesion", "image": image_id, "save_label": True})

    info = app.datastore().get_label_info(image_id, "original")
    assert (reply["label"], info["source_model"]) == (image_id, "segmentation-0")
    Path(reply["file"]).unlink()


def test_an_unknown_image_is_refused(app: Any) -> None:
    with pytest.raises(MONAILabelException, match="unknown image 'nope'"):
        app.infer({"model": "lesion", "image": "nope"})


def test_the_next_sample_has_a_path_and_no_label(app: Any) -> None:
    sample = app.next_sample({"strategy": "random", "client_id": "tool"})

    assert sample["id"] in app.datastore().get_unlabeled_images()
    assert Path(sample["path"]).is_file()


def test_a_batch_runs_through_the_app(app: Any) -> None:
    job = app.batch_infer({"model": "lesion", "images": "unlabeled"})

    assert job["status"] == "DONE"
    assert job["progress"]["done"] == 8


def test_too_few_labels_for_a_training_are_told(app: Any) -> None:
    with pytest.raises(MONAILabelException, match="too few labels"):
        app.train({"model": "segmentation"})

    assert app.async_training(None) == {"segmentation": None, "classification": None}


def test_the_model_file_is_that_of_the_serving_model(app: Any) -> None:
    path = Path(app.model_file("lesion"))

    assert (path.name, path.parent.name) == ("weights.safetensors", "segmentation-0")
    assert set(app.model_info("lesion")) >= {"checksum", "modified_time"}


def test_everything_lies_in_the_workspace(app: Any, tmp_path: Path) -> None:
    assert app.service.store.paths.root == tmp_path / "app-workspace"
    assert app.sessions() is None


def test_a_misspelt_setting_is_refused_with_a_suggestion(load_app: LoadApp, studies: Path) -> None:
    with pytest.raises(MONAILabelException, match="did you mean 'rescan_s'") as caught:
        load_app(studies, resscan_s="3")

    assert caught.value.error is MONAILabelError.APP_INIT_ERROR


def test_two_apps_cannot_share_a_workspace(
    app: Any, load_app: LoadApp, tmp_path: Path, studies: Path
) -> None:
    other = tmp_path / "other-studies"
    other.mkdir()

    with pytest.raises(MONAILabelException, match=f"in use by another server.*{os.getpid()}"):
        load_app(other)


def test_two_workspaces_do_not_meet(
    app: Any, load_app: LoadApp, tmp_path: Path, studies: Path
) -> None:
    other = load_app(f"{studies}/", workspace=str(tmp_path / "second"))
    image_id = app.datastore().list_images()[0]
    other.datastore().update_image_info(image_id, {"seen": "second"})

    assert "seen" not in app.datastore().get_image_info(image_id)


def test_an_address_is_opened_by_our_source_and_nothing_is_downloaded(
    load_app: LoadApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/dicom-web"
        app = load_app(address)

    assert type(app.service.source).__name__ == "DicomWebSource"
    assert app.info()["sonoloop"]["source"]["state"] == "unreachable"
    assert not list((APP_DIR / "bin").glob("*"))


@pytest.mark.usefixtures("load_app")
def test_the_example_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (APP_DIR / "README.md").read_text().splitlines()
    start = lines.index("    from monailabel.interfaces.utils.app import app_instance")
    end = lines.index("    app.close()") + 1
    for folder in ("apps", "sample-data"):
        (tmp_path / folder).symlink_to(CHECKOUT / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    exec("\n".join(line.strip() for line in lines[start:end]), {})  # noqa: S102 - our own text

    assert "'malignant': 0.7" in capsys.readouterr().out
    assert (tmp_path / "workspace").is_dir()
