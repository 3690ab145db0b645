"""What every strategy keeps, whichever it is."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from sonoloop.active_learning.candidates import NOTHING, Candidates
from sonoloop.active_learning.registry import STRATEGIES
from sonoloop.errors import ScoreError

MakeCandidates = Callable[..., Candidates]
NEEDY = [name for name, known in STRATEGIES.items() if known.needs]


@pytest.mark.parametrize("name", list(STRATEGIES))
class TestEveryStrategy:
    def test_the_same_seed_gives_the_same_images(
        self, name: str, make_candidates: MakeCandidates
    ) -> None:
        pool, labelled = make_candidates(60), make_candidates(20, prefix="l", seed=1)

        first = STRATEGIES[name].propose(pool, labelled, count=10, seed=3)
        again = STRATEGIES[name].propose(pool, labelled, count=10, seed=3)

        assert first == again

    @pytest.mark.parametrize("count", [0, 1, 7, 60, 100])
    @pytest.mark.parametrize("labels", [0, 80])
    def test_as_many_images_as_asked_for_and_each_once(
        self, name: str, count: int, labels: int, make_candidates: MakeCandidates
    ) -> None:
        pool = make_candidates(60)
        labelled = make_candidates(labels, prefix="l", seed=1)

        chosen = STRATEGIES[name].propose(pool, labelled, count=count, seed=0)

        ids = [proposal.image_id for proposal in chosen]
        assert len(ids) == len(set(ids)) == min(count, 60)
        assert set(ids) <= set(pool.image_ids)

    def test_no_family_comes_twice_while_another_has_not_come(
        self, name: str, make_candidates: MakeCandidates
    ) -> None:
        pool = make_candidates(60, per_family=3)
        family = dict(zip(pool.image_ids, pool.families, strict=True))

        chosen = STRATEGIES[name].propose(pool, NOTHING, count=60, seed=0)

        families = [family[proposal.image_id] for proposal in chosen]
        for start in (0, 20, 40):
            assert len(set(families[start : start + 20])) == 20

    def test_a_near_duplicate_of_a_labelled_image_comes_last(
        self, name: str, make_candidates: MakeCandidates
    ) -> None:
        pool = make_candidates(40, per_family=1)
        labelled = Candidates(
            image_ids=tuple(f"twin{n}" for n in range(30)),
            families=pool.families[:30],
            embeddings=pool.features()[:30],
            scores={known: values[:30] for known, values in pool.scores.items()},
        )

        chosen = STRATEGIES[name].propose(pool, labelled, count=10, seed=0)

        assert {proposal.image_id for proposal in chosen} == set(pool.image_ids[30:])

    def test_it_says_why_in_a_sentence(self, name: str, make_candidates: MakeCandidates) -> None:
        chosen = STRATEGIES[name].propose(make_candidates(30), NOTHING, count=5, seed=0)

        for proposal in chosen:
            assert proposal.reason[0].isupper()
            assert proposal.reason.endswith(".")
            assert len(proposal.reason.split()) >= 5
            assert np.isfinite(proposal.score)

    def test_a_single_candidate_is_chosen(self, name: str, make_candidates: MakeCandidates) -> None:
        chosen = STRATEGIES[name].propose(make_candidates(1), NOTHING, count=1, seed=0)

        assert [proposal.image_id for proposal in chosen] == ["i0"]

    def test_nothing_is_chosen_from_nothing(
        self, name: str, make_candidates: MakeCandidates
    ) -> None:
        assert STRATEGIES[name].propose(make_candidates(0), NOTHING, count=3, seed=0) == []

    def test_a_negative_number_is_refused(self, name: str, make_candidates: MakeCandidates) -> None:
        with pytest.raises(ScoreError, match=r"cannot propose -1 images"):
            STRATEGIES[name].propose(make_candidates(3), NOTHING, count=-1, seed=0)

    def test_equal_images_are_no_obstacle(self, name: str) -> None:
        scores = dict.fromkeys(
            ("entropy", "bald", "margin", "lesion_share", "predicted_class"), np.zeros(20)
        )
        pool = Candidates(
            image_ids=tuple(f"i{n}" for n in range(20)),
            families=tuple(f"f{n}" for n in range(20)),
            embeddings=np.ones((20, 4), np.float32),
            scores=scores,
        )

        chosen = STRATEGIES[name].propose(pool, NOTHING, count=5, seed=0)

        assert len({proposal.image_id for proposal in chosen}) == 5

    def test_five_thousand_candidates_take_a_few_seconds(
        self, name: str, make_candidates: MakeCandidates
    ) -> None:
        pool, labelled = make_candidates(5000), make_candidates(200, prefix="l", seed=1)
        began = time.process_time()

        chosen = STRATEGIES[name].propose(pool, labelled, count=100, seed=0)

        assert len(chosen) == 100
        assert time.process_time() - began < 5


@pytest.mark.parametrize("name", NEEDY)
def test_what_is_missing_is_told_by_its_name(name: str, make_candidates: MakeCandidates) -> None:
    bare = make_candidates(5, bare=True)
    needs = " | ".join(STRATEGIES[name].needs)

    with pytest.raises(ScoreError, match=r"carry no (score '\w+'|embeddings)") as told:
        STRATEGIES[name].propose(bare, NOTHING, count=1, seed=0)

    assert any(need in str(told.value) for need in STRATEGIES[name].needs), needs
