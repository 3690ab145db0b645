"""Several readers over HTTP: leases, skips, assignments, revisions, reviews, adjudication."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from PIL import Image

Save: TypeAlias = Callable[..., Any]


def png(pixels: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def block(left: int) -> np.ndarray:
    mask = np.zeros((40, 60), dtype=np.uint8)
    mask[10:30, left : left + 20] = 1
    return mask


@pytest.fixture
def save(site: Any) -> Save:
    """Submits a label as a reader; the reply."""

    def saving(image: str, reader: str, *, left: int = 15, **params: Any) -> Any:
        return site.http.put(
            f"/datastore/label?image={image}",
            data={"params": json.dumps({"reader": reader, "pathology": "benign"} | params)},
            files={"label": ("label.png", png(block(left)))},
        )

    return saving


def next_of(site: Any, reader: str, strategy: str = "first") -> Any:
    return site.http.post(f"/activelearning/{strategy}", json={"client_id": reader}).json()


class TestLeases:
    def test_a_next_sample_tells_until_when_it_is_lent_and_why(self, site: Any) -> None:
        sample = next_of(site, "anna")

        (lease,) = site.http.get("/sonoloop/leases").json()
        told = sample["sonoloop"]
        assert told["lease_expires"] == lease["expires"]
        assert (told["reader"], told["strategy"], lease["image"]) == ("anna", "first", sample["id"])
        assert told["reason"] == lease["reason"]
        assert 1795 <= told["lease_seconds"] <= 1800

    def test_a_reader_tells_his_name_before_his_client(self, site: Any) -> None:
        params = {"client_id": "browser-7", "reader": "anna"}
        site.http.post("/activelearning/first", json=params)

        assert [one["reader"] for one in site.http.get("/sonoloop/leases").json()] == ["anna"]

    def test_a_submission_ends_the_lease_of_the_client_too(self, site: Any, save: Save) -> None:
        sample = next_of(site, "browser-7")

        save(sample["id"], "anna", client_id="browser-7")

        assert site.http.get("/sonoloop/leases").json() == []

    def test_leases_are_listed_by_reader_and_given_back(self, site: Any) -> None:
        first, _ = next_of(site, "anna"), next_of(site, "bob")
        query = {"image": first["id"], "reader": "anna"}

        released = site.http.delete("/sonoloop/leases", params=query).json()
        again = site.http.delete("/sonoloop/leases", params=query).json()

        assert (released, again) == ({"released": True}, {"released": False})
        assert site.http.get("/sonoloop/leases?reader=anna").json() == []
        assert len(site.http.get("/sonoloop/leases?reader=bob").json()) == 1

    def test_an_image_that_is_opened_is_lent_unless_another_holds_it(
        self, site: Any, save: Save
    ) -> None:
        body = {"image": site.ids[3], "reader": "anna"}

        mine = site.http.post("/sonoloop/leases", json=body)
        theirs = site.http.post("/sonoloop/leases", json=body | {"reader": "bob"})
        save(site.ids[3], "anna")
        done = site.http.post("/sonoloop/leases", json=body | {"reader": "bob"})

        assert mine.json()["strategy"] == "opened"
        assert (theirs.status_code, done.status_code) == (409, 409)
        assert "'anna' holds it" in theirs.json()["detail"]
        assert "does not wait" in done.json()["detail"]


class TestSkips:
    def test_a_skipped_image_comes_to_others_and_not_to_its_reader(self, site: Any) -> None:
        sample = next_of(site, "anna")
        body = {"image": sample["id"], "reader": "anna", "reason": "somebody drew on it"}

        kept = site.http.post("/sonoloop/skips", json=body).json()

        assert (kept["kind"], kept["reason"]) == ("skip", "somebody drew on it")
        assert next_of(site, "anna")["id"] != sample["id"]
        assert next_of(site, "bob")["id"] == sample["id"]

    def test_not_assessable_is_an_answer_that_can_be_taken_back(self, site: Any) -> None:
        image = site.ids[0]
        body = {
            "image": image,
            "reader": "anna",
            "kind": "not_assessable",
            "reason": "no contact gel\nno picture",
        }
        site.http.post("/sonoloop/skips", json=body)
        answered = site.http.get(f"/sonoloop/assignments?image={image}").json()

        taken = site.http.delete("/sonoloop/skips", params={"image": image, "reader": "anna"})

        after = site.http.get(f"/sonoloop/assignments?image={image}").json()
        assert (answered["answered"], answered["labelled"]) == (["anna"], True)
        assert taken.json() == {"withdrawn": True}
        assert (after["answered"], after["labelled"]) == ([], False)


class TestAssignments:
    def test_an_image_for_two_readers_is_done_when_both_have_answered(
        self, site: Any, save: Save
    ) -> None:
        image = site.ids[0]
        (progress,) = site.http.post(
            "/sonoloop/assignments", json={"images": [image, image], "readers": 2}
        ).json()
        save(image, "anna")
        half = site.http.get(f"/sonoloop/assignments?image={image}").json()
        save(image, "bob")

        done = site.http.get(f"/sonoloop/assignments?image={image}").json()

        assert (progress["readers_wanted"], progress["named"]) == (2, [])
        assert (half["answered"], half["labelled"]) == (["anna"], False)
        assert (done["answered"], done["labelled"]) == (["anna", "bob"], True)

    def test_named_readers_get_their_images_first(self, site: Any) -> None:
        mine = site.ids[-2:]
        body = {"images": list(mine), "readers": ["zoe", "anna"]}
        site.http.post("/sonoloop/assignments", json=body)

        assert site.http.get("/sonoloop/assignments/anna").json() == sorted(
            mine, key=site.ids.index
        )
        assert next_of(site, "anna", "random")["id"] == mine[0]
        assert next_of(site, "zoe", "random")["id"] == mine[1]
        assert next_of(site, "bob")["id"] == site.ids[0]

    def test_one_unknown_image_assigns_none(self, site: Any) -> None:
        body = {"images": [site.ids[0], "nobody"], "readers": 3}

        reply = site.http.post("/sonoloop/assignments", json=body)

        assert reply.status_code == 404
        progress = site.http.get(f"/sonoloop/assignments?image={site.ids[0]}").json()
        assert progress["readers_wanted"] == 1


class TestRevisions:
    def test_a_stale_save_is_told_with_both_versions_and_keeps_both(
        self, site: Any, save: Save
    ) -> None:
        image = site.ids[0]
        first = save(image, "anna", base_revision=0).json()
        second = save(image, "anna", left=20, base_revision=first["revision"]).json()

        stale = save(image, "anna", left=30, base_revision=first["revision"])

        told = stale.json()
        assert (stale.status_code, told["code"]) == (409, "stale_revision")
        assert told["current"]["revision"] == second["revision"]
        assert (told["kept"]["revision"], told["kept"]["state"]) == (3, "conflicting")
        assert "look at both" in told["detail"]
        for revision, left in ((2, 20), (3, 30)):
            mask = site.http.get(f"/sonoloop/revisions/mask?image={image}&revision={revision}")
            pixels = np.asarray(Image.open(BytesIO(mask.content)))
            np.testing.assert_array_equal(pixels > 0, block(left) > 0)

    def test_lesions_that_touch_stay_two(self, site: Any) -> None:
        image = site.ids[0]
        sent = block(15)
        sent[:, 25:][sent[:, 25:] > 0] = 4
        names = [{"name": "lesion 1", "idx": 1}, {"name": "lesion 4", "idx": 4}]
        site.http.put(
            f"/datastore/label?image={image}",
            data={"params": json.dumps({"pathology": "benign", "label_info": names})},
            files={"label": ("label.png", png(sent))},
        )

        kept, told = (
            np.asarray(Image.open(BytesIO(site.http.get(address).content)))
            for address in (
                f"/sonoloop/revisions/mask?image={image}&revision=1",
                f"/datastore/label?label={image}&tag=final&format=png",
            )
        )
        np.testing.assert_array_equal(kept, np.where(sent == 4, 2, sent))
        np.testing.assert_array_equal(told, sent > 0)

    def test_a_draft_counts_for_nothing_and_keeps_the_lease(self, site: Any, save: Save) -> None:
        sample = next_of(site, "anna")

        draft = save(sample["id"], "anna", state="draft").json()

        assert draft["state"] == "draft"
        assert len(site.http.get("/sonoloop/leases").json()) == 1
        assert site.client.info()["datastore"]["completed"] == 0
        sent = save(sample["id"], "anna", base_revision=draft["revision"])
        assert sent.status_code == 200
        assert site.http.get("/sonoloop/leases").json() == []

    def test_readers_do_not_collide_with_one_another(self, site: Any, save: Save) -> None:
        image = site.ids[0]

        replies = [save(image, reader, base_revision=0) for reader in ("anna", "bob")]

        assert [reply.status_code for reply in replies] == [200, 200]

    def test_the_past_of_an_image_holds_everything(self, site: Any, save: Save) -> None:
        image = site.ids[0]
        saved = save(image, "anna", birads="3", seconds_spent=12).json()
        site.http.post(
            f"/sonoloop/reviews/{saved['annotation']}",
            json={"reviewer": "chief", "verdict": "reject", "note": "too wide"},
        )
        site.http.post("/sonoloop/skips", json={"image": image, "reader": "bob", "reason": "lunch"})

        past = site.http.get(f"/sonoloop/revisions?image={image}").json()

        (revision,) = past["revisions"]
        assert (revision["reader"], revision["birads"], revision["state"]) == (
            "anna",
            "3",
            "rejected",
        )
        assert [(r["verdict"], r["note"]) for r in past["reviews"]] == [("reject", "too wide")]
        assert [(s["reader"], s["reason"]) for s in past["skips"]] == [("bob", "lunch")]
        assert past["assignment"]["answered"] == []

    def test_a_correction_of_the_class_is_the_readers_own(self, site: Any, save: Save) -> None:
        image = site.ids[0]
        save(image, "anna", left=5)
        save(image, "bob", left=25)

        info = json.dumps({"reader": "anna", "pathology": "malignant"})
        site.http.put(f"/datastore/label/info?label={image}&tag=final", data={"info": info})

        last = site.http.get(f"/sonoloop/revisions?image={image}").json()["revisions"][-1]
        mask = site.http.get(f"/sonoloop/revisions/mask?image={image}&revision={last['revision']}")
        assert (last["reader"], last["pathology"]) == ("anna", "malignant")
        pixels = np.asarray(Image.open(BytesIO(mask.content)))
        np.testing.assert_array_equal(pixels > 0, block(5) > 0)


class TestReviews:
    def test_what_waits_is_accepted_once_and_can_be_reopened(self, site: Any, save: Save) -> None:
        saved = save(site.ids[0], "anna").json()
        address = f"/sonoloop/reviews/{saved['annotation']}"
        (waiting,) = site.http.get("/sonoloop/reviews").json()

        accepted = site.http.post(address, json={"reviewer": "chief", "verdict": "accept"})
        twice = site.http.post(address, json={"reviewer": "chief", "verdict": "accept"})
        none = site.http.get("/sonoloop/reviews").json()
        reopened = site.http.post(address, json={"reviewer": "chief", "verdict": "reopen"})

        assert waiting["annotation"] == saved["annotation"]
        assert accepted.json()["verdict"] == "accept"
        assert (twice.status_code, twice.json()["code"]) == (409, "conflict")
        assert none == []
        assert reopened.status_code == 200
        assert len(site.http.get("/sonoloop/reviews?limit=5").json()) == 1

    def test_a_rejected_image_waits_again_for_its_reader_too(self, site: Any, save: Save) -> None:
        sample = next_of(site, "anna")
        saved = save(sample["id"], "anna").json()

        site.http.post(
            f"/sonoloop/reviews/{saved['annotation']}",
            json={"reviewer": "chief", "verdict": "reject"},
        )

        assert next_of(site, "anna")["id"] == sample["id"]


class TestAdjudication:
    @pytest.fixture
    def torn(self, site: Any, save: Save) -> str:
        """An image two readers disagree on."""
        image: str = site.ids[0]
        body = {"images": [image], "readers": 3}
        site.http.post("/sonoloop/assignments", json=body)
        save(image, "anna", left=5)
        save(image, "bob", left=25, pathology="malignant", birads="5")
        return image

    def test_an_outline_of_the_adjudicators_own_settles_it(self, site: Any, torn: str) -> None:
        reply = site.http.put(
            f"/sonoloop/adjudication?image={torn}",
            data={"params": json.dumps({"reader": "chief", "pathology": "benign"})},
            files={"label": ("a.png", png(block(15)))},
        )

        settled = reply.json()
        label = site.http.get(f"/datastore/label?label={torn}&tag=final&format=png")
        assert (settled["adjudicates"], settled["reader"]) == (True, "chief")
        np.testing.assert_array_equal(
            np.asarray(Image.open(BytesIO(label.content))) > 0, block(15) > 0
        )
        progress = site.http.get(f"/sonoloop/assignments?image={torn}").json()
        assert (progress["adjudicated"], progress["labelled"]) == (True, True)

    def test_a_readers_outline_is_adopted_with_what_he_said(self, site: Any, torn: str) -> None:
        settled = site.http.put(
            f"/sonoloop/adjudication?image={torn}&adopt=2",
            data={"params": json.dumps({"reader": "chief"})},
        ).json()

        mask = site.http.get(
            f"/sonoloop/revisions/mask?image={torn}&revision={settled['revision']}"
        )
        assert (settled["pathology"], settled["birads"]) == ("malignant", "5")
        np.testing.assert_array_equal(
            np.asarray(Image.open(BytesIO(mask.content))) > 0, block(25) > 0
        )


class TestAgreement:
    def test_it_is_told_by_image_and_by_pair_of_readers(self, site: Any, save: Save) -> None:
        site.http.post("/sonoloop/assignments", json={"images": list(site.ids[:2]), "readers": 2})
        for image, left in zip(site.ids[:2], (15, 25), strict=True):
            save(image, "anna", birads="3")
            save(image, "bob", left=left, birads="4A")

        of_image = site.http.get(f"/sonoloop/agreement?image={site.ids[1]}").json()
        overall = site.http.get("/sonoloop/agreement").json()

        (pair,) = of_image["pairs"]
        assert of_image["readers"] == pair["readers"] == ["anna", "bob"]
        assert pair["dice"] == 0.5
        assert pair["hd95_px"] == 10.0
        (together,) = overall["pairs"]
        assert (together["images"], together["dice"]) == (2, 0.75)
        assert together["birads_kappa"]["images"] == 2
        assert [one["image_id"] for one in overall["worst"]] == [site.ids[1], site.ids[0]]
        assert overall["together"]["readers"] == 2
        assert overall["unreadable"] == 0

    def test_with_one_reader_there_is_none(self, site: Any, save: Save) -> None:
        save(site.ids[0], "anna")

        overall = site.http.get("/sonoloop/agreement").json()

        assert (overall["pairs"], overall["worst"]) == ([], [])
        assert overall["together"]["pathology_kappa"] == {"value": None, "images": 0}

    def test_a_rejected_reader_and_an_adjudication_are_no_readings(
        self, site: Any, save: Save
    ) -> None:
        image = site.ids[0]
        save(image, "anna")
        save(image, "bob", left=25)
        wrong = save(image, "carl", left=40).json()
        verdict = {"reviewer": "chief", "verdict": "reject"}
        site.http.post(f"/sonoloop/reviews/{wrong['annotation']}", json=verdict)
        site.http.put(
            f"/sonoloop/adjudication?image={image}&adopt=1",
            data={"params": json.dumps({"reader": "chief"})},
        )

        of_image = site.http.get(f"/sonoloop/agreement?image={image}").json()
        overall = site.http.get("/sonoloop/agreement").json()

        assert of_image["readers"] == ["anna", "bob"]
        assert [pair["readers"] for pair in overall["pairs"]] == [["anna", "bob"]]

    def test_a_damaged_outline_is_counted_not_guessed(self, site: Any, save: Save) -> None:
        save(site.ids[0], "anna")
        save(site.ids[0], "bob")
        store = site.service.store
        damaged = store.annotations.newest_by_reader(site.ids[0])["bob"]
        store.annotations.mask_file(damaged).write_bytes(b"torn")

        overall = site.http.get("/sonoloop/agreement").json()

        assert (overall["pairs"], overall["unreadable"]) == ([], 1)


def test_every_route_of_readers_is_documented(site: Any) -> None:
    told = (Path(__file__).parents[2] / "docs" / "rest.md").read_text()
    paths = site.http.get("/openapi.json").json()["paths"]

    own = [
        f"`{method.upper()} {path}`"
        for path, methods in paths.items()
        for method, route in methods.items()
        if "Readers" in route.get("tags", ())
    ]

    assert len(own) == 14
    assert [route for route in own if route not in told] == []
