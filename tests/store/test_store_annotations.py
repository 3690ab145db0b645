import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sonoloop.errors import ConflictError, LabelReadError, NotFoundError, StoreError
from sonoloop.geometry import LabelMap
from sonoloop.labels import Pathology
from sonoloop.records import ImageRecord, LabelTag
from sonoloop.store import NewAnnotation, Store, files

MakeMask = Callable[..., LabelMap]


@pytest.fixture
def one(store: Store, make_record: Callable[..., ImageRecord]) -> Store:
    """A store with the images 1.1 (12 x 16 pixels) and 1.2."""
    store.images.upsert_many([make_record("1.1"), make_record("1.2")])
    return store


class TestSaving:
    def test_an_annotation_comes_back_as_it_went_in(self, one: Store, make_mask: MakeMask) -> None:
        new = NewAnnotation(
            image_id="1.1", pathology=Pathology.MALIGNANT, birads="4A", reader="dr-a",
            source_model="seg-1", seconds_spent=12.5, info={"label_info": [{"idx": 1}]},
        )  # fmt: skip

        saved = one.annotations.save(new, make_mask(1))

        assert one.annotations.latest("1.1") == saved
        assert one.annotations.history("1.1") == [saved]
        assert (saved.revision, saved.pathology, saved.birads) == (1, Pathology.MALIGNANT, "4A")
        assert (saved.reader, saved.source_model, saved.seconds_spent) == ("dr-a", "seg-1", 12.5)
        assert saved.info == {"label_info": [{"idx": 1}]}
        assert saved.created_at.tzinfo is not None
        np.testing.assert_array_equal(one.annotations.mask(saved), make_mask(1))

    def test_the_file_is_a_png_named_after_image_tag_and_revision(
        self, one: Store, make_mask: MakeMask
    ) -> None:
        saved = one.annotations.save(NewAnnotation(image_id="1.1"), make_mask())

        path = one.annotations.mask_file(saved)
        assert path.parent == one.paths.labels / "1.1"
        assert path.name.startswith("final-1-")
        assert path.read_bytes().startswith(b"\x89PNG")
        assert list(one.paths.incoming_labels.iterdir()) == []

    def test_revisions_count_up_per_tag_and_none_is_overwritten(
        self, one: Store, make_mask: MakeMask
    ) -> None:
        tags: tuple[LabelTag, ...] = ("original", "final", "final")
        saved = [
            one.annotations.save(NewAnnotation(image_id="1.1", tag=tag), make_mask(i))
            for i, tag in enumerate(tags)
        ]

        assert [(a.tag, a.revision) for a in saved] == [
            ("original", 1), ("final", 1), ("final", 2)
        ]  # fmt: skip
        assert one.annotations.history("1.1") == [
            saved[0], dataclasses.replace(saved[1], in_force=False), saved[2]
        ]  # fmt: skip
        for i, annotation in enumerate(saved):
            np.testing.assert_array_equal(one.annotations.mask(annotation), make_mask(i))
        assert one.annotations.count() == 3
        assert one.annotations.by_tag_counts() == {"final": 1, "original": 1}

    def test_a_final_annotation_labels_the_image_and_a_draft_does_not(self, one: Store) -> None:
        one.annotations.save(NewAnnotation(image_id="1.1", tag="original"), None)
        one.annotations.save(NewAnnotation(image_id="1.2", tag="final"), None)

        assert one.images.labelled_ids() == ("1.2",)
        assert one.images.unlabelled_ids() == ("1.1",)

    def test_several_label_values_and_booleans_are_kept(self, one: Store) -> None:
        several = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)

        first = one.annotations.save(NewAnnotation(image_id="1.1"), several)
        second = one.annotations.save(NewAnnotation(image_id="1.1"), (several > 9).T.copy().T)

        np.testing.assert_array_equal(one.annotations.mask(first), several)
        np.testing.assert_array_equal(one.annotations.mask(second), several > 9)

    def test_an_annotation_without_a_mask_says_so(self, one: Store) -> None:
        saved = one.annotations.save(
            NewAnnotation(image_id="1.1", pathology=Pathology.NORMAL), None
        )

        assert (saved.mask_path, saved.mask_sha256) == (None, None)
        with pytest.raises(NotFoundError, match=r"revision 1 of label 'final' .* has no mask"):
            one.annotations.mask(saved)


class TestRefusing:
    @pytest.mark.parametrize("mask", [None, np.zeros((12, 16), np.uint8)], ids=["none", "mask"])
    def test_an_unknown_image_is_told(self, one: Store, mask: LabelMap | None) -> None:
        with pytest.raises(NotFoundError, match=r"unknown image '9\.9'"):
            one.annotations.save(NewAnnotation(image_id="9.9"), mask)

    @pytest.mark.parametrize(
        ("mask", "told"),
        [
            (np.zeros((16, 12), np.uint8), r"shape \(16, 12\), its image \(12, 16\)"),
            (np.zeros((12, 16, 1), np.uint8), "shape"),
            (np.zeros((12, 16), np.float32), "float32"),
        ],
    )
    def test_a_label_map_that_does_not_fit_is_refused_and_leaves_nothing(
        self, one: Store, mask: LabelMap, told: str
    ) -> None:
        with pytest.raises(LabelReadError, match=told):
            one.annotations.save(NewAnnotation(image_id="1.1"), mask)

        assert one.annotations.count() == 0
        assert [p for p in one.paths.labels.rglob("*") if p.is_file()] == []

    def test_a_full_disk_is_told_and_leaves_nothing(
        self, one: Store, make_mask: MakeMask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(path: Path, data: bytes) -> None:
            path.write_bytes(data[:3])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(files, "write_synced", full)

        with pytest.raises(StoreError, match="No space left on device"):
            one.annotations.save(NewAnnotation(image_id="1.1"), make_mask())

        assert one.annotations.count() == 0
        assert list(one.paths.incoming_labels.iterdir()) == []

    def test_a_failing_rename_is_told_and_no_row_is_kept(
        self, one: Store, make_mask: MakeMask
    ) -> None:
        (one.paths.labels / "1.1").write_text("a file where the folder should be")

        with pytest.raises(StoreError, match="nothing was saved"):
            one.annotations.save(NewAnnotation(image_id="1.1"), make_mask())

        assert one.annotations.latest("1.1") is None
        assert one.images.labelled_ids() == ()
        assert list(one.paths.incoming_labels.iterdir()) == []

    def test_a_file_changed_behind_our_back_is_named(self, one: Store, make_mask: MakeMask) -> None:
        saved = one.annotations.save(NewAnnotation(image_id="1.1"), make_mask(1))
        path = one.annotations.mask_file(saved)
        path.write_bytes(files.encode_png(make_mask(2)))

        with pytest.raises(StoreError, match=path.name + " is not what was saved"):
            one.annotations.mask(saved)

    def test_a_file_that_is_gone_is_named(self, one: Store, make_mask: MakeMask) -> None:
        saved = one.annotations.save(NewAnnotation(image_id="1.1"), make_mask(1))
        path = one.annotations.mask_file(saved)
        path.unlink()

        with pytest.raises(StoreError, match=path.name + " cannot be read"):
            one.annotations.mask(saved)


class TestWithdrawing:
    def test_the_history_stays_and_the_image_is_unlabelled_again(self, one: Store) -> None:
        for _ in range(2):
            one.annotations.save(NewAnnotation(image_id="1.1"), None)

        one.annotations.withdraw("1.1", "final")

        assert one.annotations.latest("1.1") is None
        assert one.images.labelled_ids() == ()
        history = one.annotations.history("1.1")
        assert [a.withdrawn_at is not None for a in history] == [True, True]
        assert one.annotations.by_tag_counts() == {}

    def test_a_new_revision_after_it_counts_on(self, one: Store) -> None:
        one.annotations.save(NewAnnotation(image_id="1.1"), None)
        one.annotations.withdraw("1.1", "final")

        saved = one.annotations.save(NewAnnotation(image_id="1.1"), None)

        assert saved.revision == 2
        assert one.annotations.latest("1.1") == saved
        assert one.images.labelled_ids() == ("1.1",)

    def test_a_draft_goes_without_touching_the_final(self, one: Store) -> None:
        one.annotations.save(NewAnnotation(image_id="1.1", tag="original"), None)
        one.annotations.save(NewAnnotation(image_id="1.1"), None)

        one.annotations.withdraw("1.1", "original")

        assert one.images.labelled_ids() == ("1.1",)

    def test_there_must_be_something_to_withdraw(self, one: Store) -> None:
        with pytest.raises(NotFoundError, match=r"image '1\.1' has no label 'final'"):
            one.annotations.withdraw("1.1", "final")


class TestInfo:
    def test_it_is_added_to_the_newest_revision_only(self, one: Store) -> None:
        for name in ("a", "b"):
            one.annotations.save(NewAnnotation(image_id="1.1", info={"k": name}), None)

        one.annotations.update_info("1.1", "final", {"score": 0.5})

        assert [a.info for a in one.annotations.history("1.1")] == [
            {"k": "a"},
            {"k": "b", "score": 0.5},
        ]

    def test_there_must_be_a_label(self, one: Store) -> None:
        with pytest.raises(NotFoundError, match=r"image '1\.1' has no label 'original'"):
            one.annotations.update_info("1.1", "original", {})


class TestImporting:
    def test_the_same_content_is_imported_once(self, one: Store) -> None:
        new = NewAnnotation(image_id="1.1", reader="busi", import_key="k")

        first, second = (one.annotations.save(new, None) for _ in range(2))

        assert first == second
        assert one.annotations.count() == 1
        assert one.annotations.import_keys() == {"k"}

    def test_what_was_withdrawn_is_not_imported_again(self, one: Store) -> None:
        new = NewAnnotation(image_id="1.1", import_key="k")
        one.annotations.save(new, None)
        one.annotations.withdraw("1.1", "final")

        one.annotations.save(new, None)

        assert one.annotations.latest("1.1") is None

    def test_an_import_does_not_override_a_reader(self, one: Store) -> None:
        mine = one.annotations.save(NewAnnotation(image_id="1.1", reader="dr-a"), None)

        with pytest.raises(ConflictError, match="annotated here by 'dr-a' since"):
            one.annotations.save(NewAnnotation(image_id="1.1", import_key="k"), None)

        assert one.annotations.latest("1.1") == mine


def test_only_old_temporary_files_are_swept(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        young, old = (store.paths.incoming_labels / name for name in ("a.part", "b.part"))
        for path in (young, old):
            path.write_bytes(b"half")
        hours_ago = time.time() - 2 * files.LEFTOVER_AGE_S
        os.utime(old, (hours_ago, hours_ago))

    with Store.open(tmp_path):
        pass

    assert young.exists()
    assert not old.exists()
