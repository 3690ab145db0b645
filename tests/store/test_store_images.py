from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from sonoloop.errors import AmbiguousImageError, InvalidIdError, NotFoundError
from sonoloop.records import ImageRecord
from sonoloop.store import NewAnnotation, Store
from sonoloop.store.images import ImageDescription
from sonoloop.store.records import Refusal

MakeRecord = Callable[..., ImageRecord]


@pytest.fixture
def five(store: Store, make_record: MakeRecord) -> Store:
    """A store with images 1.1 to 1.5."""
    store.images.upsert_many([make_record(f"1.{i}") for i in range(1, 6)])
    return store


def label(store: Store, *image_ids: str) -> None:
    for image_id in image_ids:
        store.annotations.save(NewAnnotation(image_id=image_id), None)


class TestRegistering:
    def test_an_image_comes_back_as_it_went_in(self, store: Store, make_record: MakeRecord) -> None:
        image = make_record(
            "1.1_f3", frame=3, frame_count=9, spacing_mm=None, flags=("lossy",), group="g",
            split="4", study_date="20260101", file_size=2**40, file_mtime_ns=2**62,
            info={"note": "ä", "n": [1, 2.5, None]},
        )  # fmt: skip

        store.images.upsert_many([image])

        assert store.images.get("1.1_f3") == image

    def test_more_images_than_fit_a_statement_are_registered(
        self, store: Store, make_record: MakeRecord
    ) -> None:
        added = store.images.upsert_many([make_record(f"1.{i}") for i in range(1201)])

        assert (added, store.images.count()) == (1201, 1201)

    def test_an_id_that_could_leave_the_folder_is_refused_and_nothing_is_registered(
        self, store: Store, make_record: MakeRecord
    ) -> None:
        with pytest.raises(InvalidIdError, match="not an identifier"):
            store.images.upsert_many([make_record("1.1"), make_record("../1.2")])

        assert store.images.count() == 0

    def test_renewing_keeps_labels_info_and_what_only_the_data_set_told(
        self, store: Store, make_record: MakeRecord
    ) -> None:
        store.images.upsert_many([make_record("1.1", patient_id=None, info={"a": 1})])
        told = ImageDescription(image_id="1.1", patient="p9", group="g", split="4")
        store.images.describe_many([told])
        label(store, "1.1")

        added = store.images.upsert_many([make_record("1.1", patient_id=None, rows=99)])

        image = store.images.get("1.1")
        assert added == 0
        assert (image.rows, image.info, image.patient_id) == (99, {"a": 1}, "p9")
        assert (image.group, image.split) == ("g", "4")
        assert store.images.labelled_ids() == ("1.1",)

    def test_a_description_does_not_override_the_patient_of_the_file(self, five: Store) -> None:
        five.images.describe_many([ImageDescription(image_id="1.1", patient="other")])

        assert five.images.get("1.1").patient_id == "p1"

    def test_a_description_of_an_unknown_image_is_passed_over(self, five: Store) -> None:
        five.images.describe_many([ImageDescription(image_id="9.9", patient="other")])

        assert five.images.count() == 5

    def test_info_is_added_key_by_key(self, five: Store) -> None:
        five.images.update_info("1.1", {"a": 1, "b": [1]})
        five.images.update_info("1.1", {"b": 2})

        assert five.images.get("1.1").info == {"a": 1, "b": 2}

    def test_a_figure_that_is_no_number_becomes_null(self, five: Store) -> None:
        five.images.update_info("1.1", {"a": float("nan"), "b": [float("inf")]})

        assert five.images.get("1.1").info == {"a": None, "b": [None]}

    def test_a_removed_image_is_forgotten_with_its_annotations(self, five: Store) -> None:
        label(five, "1.1")

        five.images.remove("1.1")

        assert five.images.count() == 4
        assert five.annotations.count() == 0
        with pytest.raises(NotFoundError, match=r"unknown image '1\.1'"):
            five.images.get("1.1")


class TestFinding:
    @pytest.mark.parametrize("change", ["update_info", "remove", "get"])
    def test_an_unknown_image_is_told(self, store: Store, change: str) -> None:
        arguments: tuple[Any, ...] = ({},) if change == "update_info" else ()

        with pytest.raises(NotFoundError, match=r"unknown image '9\.9'"):
            getattr(store.images, change)("9.9", *arguments)

    def test_several_images_are_found_at_once(self, five: Store) -> None:
        assert set(five.images.get_many(["1.1", "1.3", "9.9"])) == {"1.1", "1.3"}

    def test_a_series_of_one_image_names_it(self, store: Store, make_record: MakeRecord) -> None:
        store.images.upsert_many([make_record("1.1", series_instance_uid="7.7")])

        assert store.images.resolve("7.7").image_id == "1.1"

    def test_a_series_of_several_images_asks_for_the_instance(self, five: Store) -> None:
        with pytest.raises(AmbiguousImageError, match="ask for one instance"):
            five.images.resolve("1.2.3")

    def test_the_instance_of_a_cine_asks_for_the_frame(
        self, store: Store, make_record: MakeRecord
    ) -> None:
        frames = [make_record(f"1.1_f{k}", sop_instance_uid="1.1", frame=k) for k in range(2)]
        store.images.upsert_many(frames)

        with pytest.raises(AmbiguousImageError, match="_f<k>"):
            store.images.resolve("1.1")

        assert store.images.resolve("1.1_f1").frame == 1

    def test_an_identifier_of_nothing_is_told(self, five: Store) -> None:
        with pytest.raises(NotFoundError, match=r"unknown image '5\.5'"):
            five.images.resolve("5.5")

    def test_lists_are_oldest_first_and_paged(self, five: Store) -> None:
        label(five, "1.2")

        ids = [image.image_id for image in five.images.list(labelled=False, limit=2, offset=1)]

        assert ids == ["1.3", "1.4"]
        assert [image.image_id for image in five.images.list(labelled=True)] == ["1.2"]
        assert len(five.images.list()) == 5

    def test_files_are_found_by_locator(self, store: Store, make_record: MakeRecord) -> None:
        cine = [make_record(f"1.2_f{k}", sop_instance_uid="1.2", locator="b") for k in range(2)]
        first = make_record("1.1", locator="a", file_size=5, file_mtime_ns=6)
        store.images.upsert_many([first, *cine])

        assert store.images.by_locator("folder") == {"a": (5, 6), "b": (0, 0)}
        assert store.images.by_locator("dicomweb") == {}
        assert store.images.locators_by_uid("folder") == {"1.1": "a", "1.2": "b"}
        assert set(store.images.single_by_locator("folder", ["a", "b"])) == {"a"}


class TestLeaving:
    def test_an_image_that_left_is_out_of_sight_until_it_returns(
        self, five: Store, make_record: MakeRecord
    ) -> None:
        assert five.images.mark_gone("folder", ["1.1.dcm", "9.9.dcm"]) == 1

        assert five.images.count() == 4
        assert "1.1" not in five.images.unlabelled_ids()
        assert "1.1.dcm" not in five.images.by_locator("folder")
        assert not five.images.get("1.1").available
        five.images.upsert_many([make_record("1.1")])
        assert five.images.count() == 5

    def test_a_labelled_image_that_left_still_counts(self, five: Store) -> None:
        label(five, "1.1")

        five.images.mark_gone("folder", ["1.1.dcm"])

        assert (five.images.count(), five.images.count_labelled()) == (5, 1)

    def test_what_a_replaced_file_held_before_has_gone(
        self, five: Store, make_record: MakeRecord
    ) -> None:
        new = make_record("2.1", locator="1.1.dcm")

        five.images.upsert_many([new], replacing=["1.1.dcm"])

        assert not five.images.get("1.1").available
        assert five.images.get("2.1").available

    def test_images_of_another_source_have_gone_but_uploads_stay(
        self, five: Store, make_record: MakeRecord
    ) -> None:
        five.images.upsert_many([make_record("3.1", source="upload")])

        assert five.images.mark_other_sources_gone("dicomweb") == 5
        assert five.images.unlabelled_ids() == ("3.1",)


class TestThePool:
    def test_without_a_seed_the_oldest_comes_first(self, five: Store) -> None:
        label(five, "1.1")

        image = five.images.next_unlabelled(seed=None, exclude=["1.2"])

        assert image is not None
        assert image.image_id == "1.3"

    @pytest.mark.parametrize("seed", [None, 3])
    def test_images_labelled_excluded_or_gone_are_not_chosen(
        self, five: Store, seed: int | None
    ) -> None:
        label(five, "1.1", "1.2")
        five.images.mark_gone("folder", ["1.3.dcm"])

        image = five.images.next_unlabelled(seed=seed, exclude={"1.4"})

        assert image is not None
        assert image.image_id == "1.5"

    @pytest.mark.parametrize("seed", [None, 3])
    def test_an_empty_pool_gives_none(self, five: Store, seed: int | None) -> None:
        everything = [f"1.{i}" for i in range(6)]

        assert five.images.next_unlabelled(seed=seed, exclude=everything) is None

    def test_the_same_seed_chooses_the_same_image_and_all_are_chosen_by_some_seed(
        self, five: Store
    ) -> None:
        chosen = [five.images.next_unlabelled(seed=seed) for seed in range(200)]

        assert chosen == [five.images.next_unlabelled(seed=seed) for seed in range(200)]
        assert None not in chosen
        assert len({image.image_id for image in chosen if image}) == 5

    @pytest.mark.parametrize("seed", [None, 8])
    def test_a_long_exclusion_is_paged_through(
        self, store: Store, make_record: MakeRecord, seed: int | None
    ) -> None:
        store.images.upsert_many([make_record(f"1.{i}") for i in range(1300)])

        image = store.images.next_unlabelled(
            seed=seed, exclude={f"1.{i}" for i in range(1300) if i != 907}
        )

        assert image is not None
        assert image.image_id == "1.907"

    @pytest.mark.parametrize("kind_of_database", ["sqlite"], indirect=True)
    @pytest.mark.parametrize(
        ("order", "index"),
        [("id", "ix_images_pool_oldest"), ("random_key", "ix_images_pool_random")],
    )
    def test_choosing_reads_an_index_and_sorts_nothing(
        self, store: Store, order: str, index: str
    ) -> None:
        query = text(
            f"EXPLAIN QUERY PLAN SELECT * FROM images WHERE labelled = 0 AND available = 1 "  # noqa: S608
            f"AND {order} >= 5 ORDER BY {order} LIMIT 1"
        )
        with store._database.reading() as session:
            plan = " ".join(row[-1] for row in session.execute(query))

        assert index in plan
        assert "TEMP B-TREE" not in plan


class TestRefusals:
    def test_the_latest_reason_of_a_file_counts(self, store: Store) -> None:
        store.images.record_refusal("a.dcm", "truncated", "ends early")
        store.images.record_refusals([Refusal(locator="b", code="x", message="y", size=1)])
        store.images.record_refusal("a.dcm", "sop_class", "a CT")

        assert [(r.locator, r.code) for r in store.images.refusals()] == [
            ("a.dcm", "sop_class"),
            ("b", "x"),
        ]

    def test_a_mended_file_is_forgotten(self, store: Store) -> None:
        store.images.record_refusal("a.dcm", "truncated", "ends early")

        store.images.clear_refusals(["a.dcm", "never.dcm"])

        assert store.images.refusals() == ()
