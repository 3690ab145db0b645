"""``sonoloop history``, ``export`` and ``restore`` as a user types them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from sonoloop.cli.main import app
from sonoloop.geometry import LabelMap
from sonoloop.labels import Pathology
from sonoloop.pacs.folder import FolderSource
from sonoloop.store import NewAnnotation, Store

SHAPE = (40, 60)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    )


def lesion(left: int) -> LabelMap:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[10:20, left : left + 15] = 1
    return mask


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    folder = tmp_path / "studies"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, SHAPE, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"img{number}.png")
    return folder


@pytest.fixture
def workspace(tmp_path: Path, studies: Path) -> Path:
    """A workspace of three images: one revised and reviewed, one labelled, one skipped."""
    folder = tmp_path / "workspace"
    with Store.open(folder) as store:
        FolderSource(studies, folder).scan(store)
        first, second, third = (image.image_id for image in store.images.list())
        store.leases.take(first, "ann", strategy="random", reason="by chance", seconds=60)
        new = NewAnnotation(image_id=first, reader="ann", pathology=Pathology.BENIGN)
        store.annotations.save(new, lesion(5))
        revised = store.annotations.save(new, lesion(7))
        store.reviews.accept(revised.annotation_id, "rev", note="[fine]")
        new = NewAnnotation(image_id=second, reader="bob", pathology=Pathology.MALIGNANT)
        store.annotations.save(new, lesion(9))
        store.skips.add(third, "bob", "skip", "shadow")
    return folder


def image_ids(workspace: Path) -> list[str]:
    with Store.open(workspace) as store:
        return [image.image_id for image in store.images.list()]


def test_a_history_tells_every_revision_and_review(workspace: Path) -> None:
    result = run("history", image_ids(workspace)[0], "--workspace", workspace)

    assert result.exit_code == 0, result.output
    assert "1 of 1 readers, labelled" in result.output
    assert result.output.index("final 1; submitted, superseded; benign") < result.output.index(
        "final 2; accepted; benign"
    )
    assert "accept final 2: [fine]" in result.output


def test_a_history_for_programs_is_json(workspace: Path) -> None:
    result = run("history", image_ids(workspace)[2], "--workspace", workspace, "--json")

    told = json.loads(result.stdout)
    assert told["skips"][0]["reason"] == "shadow"
    assert [line["what"] for line in told["timeline"]].count("skip") == 1


def test_an_unknown_image_or_workspace_is_told_and_nothing_is_made(
    workspace: Path, tmp_path: Path
) -> None:
    unknown = run("history", "nobody", "--workspace", workspace)
    mistyped = run("history", "nobody", "--workspace", tmp_path / "workspce")

    assert (unknown.exit_code, mistyped.exit_code) == (1, 1)
    assert "unknown image 'nobody'" in unknown.output
    assert "no workspace" in mistyped.output
    assert not (tmp_path / "workspce").exists()


def test_the_only_workspace_in_a_folder_is_taken_and_told(workspace: Path, tmp_path: Path) -> None:
    within = tmp_path / "within" / "studies-1a2b3c4d"
    shutil.copytree(workspace, within)

    result = run("history", image_ids(within)[0], "--workspace", within.parent)

    assert result.exit_code == 0, result.output
    assert f"workspace {within}" in result.stderr


def test_of_several_workspaces_in_a_folder_one_must_be_named(
    workspace: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        shutil.copytree(workspace, tmp_path / "within" / name)

    result = run("history", "any", "--workspace", tmp_path / "within")

    assert result.exit_code == 1
    told = "".join(result.output.split())
    assert "holds2(nameone:" in told
    assert str(tmp_path / "within" / "two") in told


def test_a_workspace_goes_out_and_comes_in_again(
    workspace: Path, studies: Path, tmp_path: Path
) -> None:
    out = run(
        "export", "--workspace", workspace, "--out", tmp_path / "one.zip", "--images", "copy",
        "--studies", studies,
    )  # fmt: skip
    back = run("restore", tmp_path / "one.zip", "--workspace", tmp_path / "again")
    again = run(
        "export", "--workspace", tmp_path / "again", "--out", tmp_path / "two.zip",
        "--images", "copy",
    )  # fmt: skip

    assert (out.exit_code, back.exit_code, again.exit_code) == (0, 0, 0), out.output + back.output
    assert "3 images, 3 revisions, 0 models" in out.output
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert (tmp_path / "again" / "studies" / "img0.png").is_file()


def test_a_backup_without_some_pictures_fails_and_says_how_many(
    workspace: Path, studies: Path, tmp_path: Path
) -> None:
    (studies / "img1.png").unlink()

    result = run(
        "export", "--workspace", workspace, "--out", tmp_path / "one.zip", "--images", "copy",
        "--studies", studies,
    )  # fmt: skip

    assert result.exit_code == 1
    assert "1 pictures are not in" in result.output
    assert "SONOLOOP_PACS_USER" in result.output
    assert (tmp_path / "one.zip").is_file()


def test_an_export_is_in_the_event_log(workspace: Path, tmp_path: Path) -> None:
    run("export", "--workspace", workspace, "--out", tmp_path / "one.zip")

    with Store.open(workspace) as store:
        [event] = store.events.list(kind="export")
    assert (event.actor, event.details["format"]) == ("command line", "archive")


@pytest.mark.parametrize(
    ("form", "file"),
    [
        ("nnunet", "dataset.json"),
        ("coco", "instances.json"),
        ("datalist", "datalist.json"),
    ],
)
def test_labels_go_out_in_the_forms_of_others(
    workspace: Path, studies: Path, tmp_path: Path, form: str, file: str
) -> None:
    options: list[str | Path] = ["--workspace", workspace, "--studies", studies, "--format", form]

    truth = run("export", *options, "--out", tmp_path / "truth")
    bob = run("export", *options, "--out", tmp_path / "bob", "--reader", "bob")
    every = run("export", *options, "--out", tmp_path / "all", "--all-revisions")

    assert "2 cases in" in truth.output
    assert "1 cases in" in bob.output
    assert "3 cases in" in every.output
    assert (tmp_path / "truth" / file).is_file()


def test_what_cannot_be_exported_is_told(workspace: Path, studies: Path, tmp_path: Path) -> None:
    there: list[str | Path] = ["export", "--workspace", workspace, "--studies", studies]

    both = run(
        *there, "--format", "coco", "--out", tmp_path / "x", "--reader", "a", "--all-revisions"
    )
    chosen = run(*there, "--out", tmp_path / "x.zip", "--reader", "ann")
    gone = run("restore", tmp_path / "none.zip", "--workspace", tmp_path / "again")

    assert (both.exit_code, chosen.exit_code, gone.exit_code) == (1, 1, 1)
    assert "exclude one another" in both.output
    assert "an archive holds every label" in chosen.output
    assert "there is no file" in gone.output
