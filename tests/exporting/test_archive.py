"""A workspace goes into a file and comes out of it the same; a foreign or broken file does not."""

import hashlib
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, Column, Float, Integer, LargeBinary, String

from postgres import PostgresServer
from sonoloop.errors import ArchiveError, InvalidIdError, StoreError
from sonoloop.exporting.archive import line_of, write_archive
from sonoloop.exporting.manifest import MANIFEST, checked_path
from sonoloop.exporting.pictures import KeptPictures
from sonoloop.exporting.restore import restore
from sonoloop.store import Store
from sonoloop.store.dump import TABLES
from sonoloop.store.schema import UtcDateTime

Change = Callable[[dict[str, bytes]], None]


def state(store: Store) -> dict[str, Any]:
    with store.dump.snapshot() as snapshot:
        return {name: list(snapshot.rows(name)) for name in TABLES}


def test_an_archive_makes_the_same_workspace_and_the_same_archive(
    full: Store, tmp_path: Path
) -> None:
    write_archive(full, tmp_path / "one.zip")

    restore(tmp_path / "one.zip", tmp_path / "again")
    with Store.open(tmp_path / "again") as again:
        write_archive(again, tmp_path / "two.zip")

        assert state(again) == state(full)
        for image_id in ("a1", "a2", "c1"):
            for ours, theirs in zip(
                full.annotations.history(image_id), again.annotations.history(image_id), strict=True
            ):
                assert ours == theirs
                assert (full.annotations.mask(ours) == again.annotations.mask(theirs)).all()
        served = again.models.serving("segmentation")
    assert served is not None
    assert (served.directory / "compiled" / "net.xml").read_text() == "<net/>"
    assert (tmp_path / "two.zip").read_bytes() == (tmp_path / "one.zip").read_bytes()


def test_pictures_travel_along_when_asked(full: Store, studies: Path, tmp_path: Path) -> None:
    pictures = KeptPictures(full.paths, studies)
    manifest = write_archive(full, tmp_path / "one.zip", images="copy", path_of=pictures.path_of)
    original = (studies / "sub" / "a1.png").read_bytes()
    touched = (studies / "sub" / "a1.png").stat().st_mtime_ns
    shutil.rmtree(studies)

    restore(tmp_path / "one.zip", tmp_path / "again")
    with Store.open(tmp_path / "again") as again:
        here = KeptPictures(again.paths)
        write_archive(again, tmp_path / "two.zip", images="copy", path_of=here.path_of)
        restored = here.path_of(again.images.get("a1"))

        assert here.path_of(again.images.get("c1")).parent == again.paths.uploads
    assert (manifest.images, manifest.missing) == ("copy", ())
    assert (restored.read_bytes(), restored.stat().st_mtime_ns) == (original, touched)
    assert (tmp_path / "two.zip").read_bytes() == (tmp_path / "one.zip").read_bytes()


def test_pictures_that_have_gone_are_told(full: Store, studies: Path, tmp_path: Path) -> None:
    (studies / "sub" / "a2.png").unlink()
    pictures = KeptPictures(full.paths, studies)

    manifest = write_archive(full, tmp_path / "one.zip", images="copy", path_of=pictures.path_of)

    assert manifest.missing == ("folder/sub/a2.png",)
    assert restore(tmp_path / "one.zip", tmp_path / "again").missing == manifest.missing


def test_pictures_cannot_be_copied_from_nowhere(full: Store, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="nothing says where they are"):
        write_archive(full, tmp_path / "one.zip", images="copy")

    assert not (tmp_path / "one.zip").exists()


def a_value(column: Column[Any]) -> Any:
    """Something every database takes in that column."""
    if column.foreign_keys or isinstance(column.type, Integer):
        return 1
    for kind, value in (
        (Boolean, True),
        (Float, 0.1),
        (LargeBinary, "AAECAw=="),
        (JSON, ["a", {"b": 1.5}]),
        (String, f"{column.name}1"[:16]),
    ):
        if isinstance(column.type, kind):
            return value
    assert isinstance(column.type, UtcDateTime), f"how is {column} dumped?"
    return "2026-01-02T03:04:05.678901+00:00"


def a_row_of(table: str) -> dict[str, Any]:
    row = {column.name: a_value(column) for column in TABLES[table].columns}
    fixed: dict[str, dict[str, Any]] = {
        "images": {"image_id": "a", "source": "folder", "locator": "a.png"},
        "annotations": {"mask_path": None, "mask_sha256": None},
        "models": {"model_id": "m1"},
    }
    return row | fixed.get(table, {})


def test_no_table_is_forgotten(
    store: Store, tmp_path: Path, model_folder: Callable[[str], Path]
) -> None:
    store.dump.load(lambda table: iter([a_row_of(table)]))
    shutil.copytree(model_folder("m1"), store.paths.models / "m1")
    manifest = write_archive(store, tmp_path / "one.zip")

    restore(tmp_path / "one.zip", tmp_path / "again")

    assert manifest.rows == dict.fromkeys(TABLES, 1)
    with Store.open(tmp_path / "again") as again:
        assert state(again) == {table: [a_row_of(table)] for table in TABLES}


def test_an_archive_moves_a_workspace_to_postgresql_and_back(
    full: Store, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    write_archive(full, tmp_path / "one.zip")
    url = postgres_server.url(postgres_server.create())

    restore(tmp_path / "one.zip", tmp_path / "moved", url=url)
    with Store.open(tmp_path / "moved", url=url) as moved:
        write_archive(moved, tmp_path / "two.zip")
        moved.events.append("export", actor="ann")

        assert state(moved)["annotations"] == state(full)["annotations"]
    assert (tmp_path / "two.zip").read_bytes() == (tmp_path / "one.zip").read_bytes()
    with pytest.raises(StoreError, match="holds rows already"):
        restore(tmp_path / "one.zip", tmp_path / "twice", url=url)
    assert not (tmp_path / "twice").exists()


def test_archive_and_workspace_are_for_their_user_alone(full: Store, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_archive(full, tmp_path / "one.zip")
        restore(tmp_path / "one.zip", tmp_path / "again")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "one.zip").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "again").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "again" / "sonoloop.db").stat().st_mode) == 0o600


def test_an_archive_that_cannot_be_written_or_read_is_told(full: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="cannot be written: Not a directory"):
        write_archive(full, tmp_path / "file" / "one.zip")
    with pytest.raises(ArchiveError, match="cannot be read: Is a directory"):
        restore(tmp_path, tmp_path / "again")


def test_a_workspace_that_is_there_is_not_touched(full: Store, tmp_path: Path) -> None:
    write_archive(full, tmp_path / "one.zip")
    (tmp_path / "empty").mkdir()
    restore(tmp_path / "one.zip", tmp_path / "empty")

    with pytest.raises(StoreError, match="is there already"):
        restore(tmp_path / "one.zip", tmp_path / "empty")


def test_a_label_that_was_changed_on_the_disk_is_not_exported(full: Store, tmp_path: Path) -> None:
    next(full.paths.labels.rglob("a1/*.png")).write_bytes(b"other")

    with pytest.raises(StoreError, match="is not what was saved"):
        write_archive(full, tmp_path / "one.zip")

    assert list(tmp_path.glob("*.zip*")) == []
    assert list(tmp_path.glob(".*.part")) == []


def test_a_model_that_has_gone_is_told(full: Store, tmp_path: Path) -> None:
    shutil.rmtree(full.paths.models / "m1")

    with pytest.raises(StoreError, match=r"model folder .* is gone"):
        write_archive(full, tmp_path / "one.zip")


@pytest.fixture
def forged(full: Store, tmp_path: Path) -> Callable[..., Path]:
    """Makes an archive whose files were changed; its manifest is renewed unless told otherwise."""
    write_archive(full, tmp_path / "good.zip")

    def forging(change: Change, *, renew: bool = True) -> Path:
        with zipfile.ZipFile(tmp_path / "good.zip") as good:
            files = {info.filename: good.read(info) for info in good.infolist()}
        change(files)
        if renew:
            manifest = json.loads(files[MANIFEST])
            manifest["entries"] = {
                name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                for name, data in files.items()
                if name != MANIFEST
            }
            files[MANIFEST] = json.dumps(manifest).encode()
        bad = tmp_path / "bad.zip"
        with zipfile.ZipFile(bad, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return bad

    return forging


def refused(archive: Path, told: str) -> None:
    target = archive.with_name("never")
    with pytest.raises((ArchiveError, InvalidIdError, StoreError), match=told):
        restore(archive, target)
    assert not target.exists()
    assert list(target.parent.glob(".never.*")) == []


def line_changer(table: str, **changes: Any) -> Change:
    def change(files: dict[str, bytes]) -> None:
        name = f"tables/{table}.jsonl"
        first, *rest = files[name].splitlines(keepends=True)
        files[name] = line_of(json.loads(first) | changes) + b"".join(rest)

    return change


def swap(name: str, data: bytes | None) -> Change:
    def change(files: dict[str, bytes]) -> None:
        if data is None:
            del files[name]
        else:
            files[name] = data

    return change


def in_manifest(**changes: Any) -> Change:
    def change(files: dict[str, bytes]) -> None:
        files[MANIFEST] = json.dumps(json.loads(files[MANIFEST]) | changes).encode()

    return change


def first_label(files: dict[str, bytes]) -> str:
    return next(name for name in files if name.startswith("labels/"))


def test_a_forged_archive_that_changes_nothing_is_restored(
    forged: Callable[..., Path], tmp_path: Path
) -> None:
    assert restore(forged(lambda files: None), tmp_path / "fine").rows["images"] == 4


@pytest.mark.parametrize(
    "name",
    ["../evil", "labels/../../evil", "/labels/x", "labels//x", "labels\\..\\x", "evil", "labels"],
)
def test_a_file_that_would_leave_the_workspace_is_refused(
    forged: Callable[..., Path], name: str
) -> None:
    refused(forged(swap(name, b"x")), "a file with the name")


def test_names_of_windows_drives_are_refused() -> None:
    with pytest.raises(ArchiveError, match="a file with the name"):
        checked_path("c:/labels/x")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda files: files.pop(first_label(files)), "disagree on 1 files"),
        (lambda files: files.update({first_label(files): b"x"}), "has 1 bytes, its manifest says"),
        (
            lambda files: files.update({first_label(files): files[first_label(files)][:-1] + b"x"}),
            "is not what its manifest says",
        ),
        (swap(MANIFEST, None), "holds no manifest.json"),
        (swap(MANIFEST, b"{"), "manifest.json is damaged"),
        (swap(MANIFEST, b"[]"), "manifest.json is damaged"),
        (in_manifest(version=99), "version 99 .this program reads"),
        (in_manifest(format="tar"), "of format 'tar'"),
        (in_manifest(images="some"), "manifest.json is damaged"),
        (in_manifest(schema="0001"), "schema '0001', this program"),
        (in_manifest(rows={"images": 4}), "other tables than this program"),
    ],
)
def test_an_archive_that_is_not_what_its_manifest_says_is_refused(
    forged: Callable[..., Path], change: Change, told: str
) -> None:
    refused(forged(change, renew=False), told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (swap("tables/events.jsonl", b""), "table events has 0 rows"),
        (swap("tables/events.jsonl", b"{\n"), "line 1 of table events is damaged"),
        (swap("tables/events.jsonl", b"7\n"), "line 1 of table events is no row"),
        (swap("tables/events.jsonl", None), "other tables than this program: tables/events"),
        (swap("tables/evil.jsonl", b""), "other tables than this program: tables/evil"),
        (line_changer("events", evil=1), "other columns: evil"),
        (line_changer("images", image_id="../a"), "not an identifier"),
        (line_changer("images", locator="../../etc/passwd"), "a file with the name"),
        (line_changer("annotations", mask_path="a1/gone.png"), "label files of the archive"),
        (line_changer("annotations", image=77), "contradict one another"),
        (line_changer("models", model_id="m2"), "model folders of the archive"),
        (swap("models/m1/weights.safetensors", None), "model 'm1' in the archive has no weights"),
        (swap("labels/stray.png", b"x"), "label files of the archive"),
        (swap("images/folder/stray.png", b"x"), "is the picture of no image"),
    ],
)
def test_an_archive_that_contradicts_itself_is_refused(
    forged: Callable[..., Path], change: Change, told: str
) -> None:
    refused(forged(change), told)


def test_a_link_in_an_archive_is_refused(full: Store, tmp_path: Path) -> None:
    write_archive(full, tmp_path / "good.zip")
    with (
        zipfile.ZipFile(tmp_path / "good.zip") as good,
        zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad,
    ):
        for info in good.infolist():
            if info.filename.startswith("labels/"):
                info.external_attr = 0o120777 << 16
            bad.writestr(info, good.read(info.filename))

    refused(tmp_path / "bad.zip", "is no plain file")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(forged: Callable[..., Path]) -> None:
    bad = forged(lambda files: None)
    with zipfile.ZipFile(bad, "a") as archive:
        archive.writestr(MANIFEST, b"{}")

    refused(bad, "holds a file twice")


def test_a_bomb_is_refused_before_it_goes_off(
    forged: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))

    refused(forged(lambda files: None), "and 1000 are free")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no archive", b"x" * 1000])
def test_a_file_that_is_no_archive_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "odd.zip").write_bytes(data)

    refused(tmp_path / "odd.zip", "is no archive, or a damaged one")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    refused(tmp_path / "none.zip", "there is no file")


def test_an_archive_cut_short_anywhere_is_refused(full: Store, tmp_path: Path) -> None:
    write_archive(full, tmp_path / "one.zip")
    whole = (tmp_path / "one.zip").read_bytes()

    for share in (0.1, 0.5, 0.99):
        (tmp_path / "cut.zip").write_bytes(whole[: int(len(whole) * share)])
        refused(tmp_path / "cut.zip", "is no archive, or a damaged one")
