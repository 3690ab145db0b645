"""The gate: who is published, held, rejected, and the sentence that says why."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.gate import Background, decide, rejected
from sonoloop.evaluation.verdicts import GateDecision
from sonoloop.labels import Pathology
from sonoloop.settings import GateSettings

MakeCase = Callable[..., Case]

SETTINGS = GateSettings()
PATIENTS = 30


@pytest.fixture
def outlined(make_case: MakeCase) -> Callable[..., list[Case]]:
    """One lesion image a patient with the Dice given; ``normals`` are marked or not."""

    def making(dice: Sequence[float], normals: Sequence[bool] = ()) -> list[Case]:
        lesions = [
            make_case(image_id=f"l{n}", patient=f"p{n}", dice=float(np.clip(value, 0, 1)))
            for n, value in enumerate(dice)
        ]
        return lesions + [
            make_case(
                image_id=f"n{n}",
                patient=f"q{n}",
                pathology=Pathology.NORMAL,
                has_lesion=False,
                lesion_share=None,
                dice=None,
                marked=marked,
            )
            for n, marked in enumerate(normals)
        ]

    return making


@pytest.fixture
def diagnosed(make_case: MakeCase) -> Callable[..., list[Case]]:
    """A patient an image: every third malignant, probability of the truth as given."""

    def making(sure: Sequence[float], *, swapped: Sequence[int] = ()) -> list[Case]:
        cases = []
        for n, truth in enumerate(sure):
            is_malignant = n % 3 == 0
            malignant = truth if is_malignant else 1 - truth
            labelled = is_malignant != (n in swapped)
            cases.append(
                make_case(
                    image_id=f"i{n}",
                    patient=f"p{n}",
                    pathology=Pathology.MALIGNANT if labelled else Pathology.BENIGN,
                    malignant=malignant,
                    benign=1 - malignant,
                )
            )
        return cases

    return making


def background(cases: Sequence[Case], **more: object) -> Background:
    keys = {case.image_id: f"key-{case.image_id}" for case in cases}
    return Background(label_keys=keys, **more)  # type: ignore[arg-type]


def judged(candidate: list[Case], serving: list[Case] | None, **more: object) -> GateDecision:
    return decide("segmentation", candidate, serving, SETTINGS, background(candidate, **more))


def spread(mean: float, *, seed: int = 0, count: int = PATIENTS, width: float = 0.05) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, width, count)


class TestSegmenters:
    def test_a_better_one_is_published(self, outlined: Callable[..., list[Case]]) -> None:
        base = spread(0.8)

        decision = judged(outlined(base + 0.05), outlined(base))

        assert decision.verdict == "published"
        assert decision.reason.startswith("no worse than the serving model: mean Dice 0.8")
        assert "on 30 locked patients" in decision.reason
        assert decision.difference == pytest.approx(0.05, abs=0.01)
        assert decision.ci95 is not None
        assert decision.ci95[0] > 0

    def test_a_worse_one_is_rejected(self, outlined: Callable[..., list[Case]]) -> None:
        base = spread(0.8)

        decision = judged(outlined(base - 0.1 + spread(0, seed=1)), outlined(base))

        assert decision.verdict == "rejected"
        assert decision.reason.startswith("worse than the serving model")
        assert "it may not fall below -0.020" in decision.reason

    def test_one_proven_worse_within_the_margin_is_rejected_too(
        self, outlined: Callable[..., list[Case]]
    ) -> None:
        base = spread(0.8)

        assert judged(outlined(base - 0.01), outlined(base)).verdict == "rejected"

    def test_an_unsure_one_is_held(self, outlined: Callable[..., list[Case]]) -> None:
        base = spread(0.8)
        candidate = base + spread(0.01, seed=4, width=0.15)

        decision = judged(outlined(candidate), outlined(base))

        assert decision.verdict == "held"
        assert decision.reason.startswith("perhaps worse")

    def test_few_patients_prove_nothing(self, outlined: Callable[..., list[Case]]) -> None:
        base = spread(0.6, count=SETTINGS.gate_min_patients - 1)

        decision = judged(outlined(base + 0.3), outlined(base))

        assert decision.verdict == "held"
        assert "14 locked patients with a lesion outline, 15 are needed" in decision.reason
        assert "so far mean Dice" in decision.reason

    def test_marks_on_normal_images_hold_a_better_outline(
        self, outlined: Callable[..., list[Case]]
    ) -> None:
        base = spread(0.8)

        few = judged(outlined(base + 0.1, [True, True, False, False]), outlined(base, [False] * 4))
        many = judged(outlined(base + 0.1, [True] * 12), outlined(base, [False] * 12))

        assert few.verdict == "held"
        assert "share of normal images left unmarked 0.500 against 1.000" in few.reason
        assert many.verdict == "rejected"

    def test_what_each_image_gained_is_told(self, outlined: Callable[..., list[Case]]) -> None:
        base = spread(0.8)

        decision = judged(outlined(base + 0.1, [True]), outlined(base, [False]))

        (lost,) = [case for case in decision.cases if case.measure == "unmarked"]
        assert (lost.image_id, lost.candidate, lost.serving) == ("n0", 0.0, 1.0)
        assert len(decision.cases) == PATIENTS + 1
        assert decision.cases[0].label_key == "key-l0"

    def test_small_losses_do_not_add_up(self, outlined: Callable[..., list[Case]]) -> None:
        base = spread(0.8)
        candidate = outlined(base - 0.004 + spread(0, seed=2, width=0.02))

        fresh = judged(candidate, outlined(base))
        in_debt = judged(candidate, outlined(base), debt=-0.012)

        assert fresh.verdict == "published"
        assert in_debt.verdict == "held"
        assert "it may not fall below -0.008" in in_debt.reason

    def test_images_measured_with_one_model_only_are_left_out(
        self, outlined: Callable[..., list[Case]]
    ) -> None:
        base = spread(0.8)

        decision = judged(outlined(base), outlined(base)[5:])

        assert decision.figures[0].patients == PATIENTS - 5


class TestDoubtfulLabels:
    def test_labels_on_which_the_serving_model_fails_as_never_before_are_suspect(
        self, outlined: Callable[..., list[Case]]
    ) -> None:
        decision = judged(outlined(spread(0.9)), outlined(spread(0.05)), reference=0.85)

        assert decision.verdict == "held"
        assert decision.reason.startswith("the labels are suspect: on 30 newly labelled")
        assert "far below its own 0.850" in decision.reason
        assert len(decision.suspects) == PATIENTS

    def test_only_labels_not_trusted_before_can_be_suspect(
        self, outlined: Callable[..., list[Case]]
    ) -> None:
        serving = spread(0.85)
        serving[20:] = 0.02
        cases = outlined(serving)
        trusted = {(f"l{n}", f"key-l{n}") for n in range(20)}

        new = judged(outlined(spread(0.9)), cases, reference=0.85, trusted=trusted)

        assert set(new.suspects) == {f"l{n}" for n in range(20, 30)}
        assert "10 newly labelled locked patients" in new.reason

    def test_a_label_that_was_changed_is_new(self, outlined: Callable[..., list[Case]]) -> None:
        trusted = {(f"l{n}", "what it was") for n in range(PATIENTS)}

        decision = judged(
            outlined(spread(0.9)), outlined(spread(0.05)), reference=0.85, trusted=trusted
        )

        assert len(decision.suspects) == PATIENTS

    def test_a_serving_model_on_images_of_another_kind_is_no_reason_to_doubt_small_drops(
        self, outlined: Callable[..., list[Case]]
    ) -> None:
        decision = judged(outlined(spread(0.82)), outlined(spread(0.74)), reference=0.87)

        assert decision.verdict == "published"

    def test_a_gain_on_new_labels_does_not_make_up_for_a_loss_on_trusted_ones(
        self, outlined: Callable[..., list[Case]]
    ) -> None:
        serving = spread(0.85)
        candidate = serving - 0.05
        serving[20:], candidate[20:] = 0.6, 0.9
        trusted = {(f"l{n}", f"key-l{n}") for n in range(20)}

        taken_together = judged(outlined(candidate), outlined(serving), reference=0.7)
        told_apart = judged(outlined(candidate), outlined(serving), reference=0.7, trusted=trusted)

        assert taken_together.verdict == "published"
        assert told_apart.verdict == "rejected"
        assert "with labels trusted before" in told_apart.reason

    def test_a_gain_that_comes_from_contradictions_alone_is_held(
        self, outlined: Callable[..., list[Case]]
    ) -> None:
        serving = spread(0.85)
        candidate = serving - 0.06 + spread(0, seed=3, width=0.02)
        serving[24:], candidate[24:] = 0.0, 0.95

        decision = judged(outlined(candidate), outlined(serving), reference=0.85)

        assert decision.verdict == "held"
        assert decision.reason.startswith("the gain rests on 6 images whose label has nothing")

    def test_outlines_that_cover_most_of_their_image_are_suspect(
        self, outlined: Callable[..., list[Case]]
    ) -> None:
        def covering(cases: list[Case], count: int) -> list[Case]:
            return [
                dataclasses.replace(case, lesion_share=0.9 if n < count else 0.1)
                for n, case in enumerate(cases)
            ]

        many, few = (
            judged(covering(outlined(spread(0.9)), count), covering(outlined(spread(0.5)), count))
            for count in (4, 2)
        )

        assert many.verdict == "held"
        assert "4 of 30 newly labelled locked lesions cover more than half" in many.reason
        assert many.suspects == ("l0", "l1", "l2", "l3")
        assert few.verdict == "published"

    def test_beside_a_serving_model_of_unknown_figures_only_nonsense_is_suspect(
        self, outlined: Callable[..., list[Case]]
    ) -> None:
        poor = judged(outlined(spread(0.6)), outlined(spread(0.3)))
        nonsense = judged(outlined(spread(0.6)), outlined([0.0] * PATIENTS), reference=0.15)
        unknown = judged(outlined(spread(0.6)), outlined([0.02] * PATIENTS))

        assert poor.verdict == "published"
        assert [nonsense.verdict, unknown.verdict] == ["held", "held"]
        assert "far below its own 0.150" in nonsense.reason
        assert "no better than chance" in unknown.reason


class TestClassifiers:
    def judged(
        self, candidate: list[Case], serving: list[Case] | None, **more: object
    ) -> GateDecision:
        return decide("classification", candidate, serving, SETTINGS, background(candidate, **more))

    def test_a_surer_one_is_published(self, diagnosed: Callable[..., list[Case]]) -> None:
        base = np.clip(spread(0.6, count=45, width=0.2), 0.02, 0.98)

        decision = self.judged(diagnosed(np.clip(base + 0.15, 0, 0.99)), diagnosed(base))

        assert decision.verdict == "published"
        assert [figure.measure for figure in decision.figures] == ["auc", "brier"]
        assert "patient AUC" in decision.reason

    def test_swapped_answers_are_rejected(self, diagnosed: Callable[..., list[Case]]) -> None:
        base = np.clip(spread(0.8, count=45, width=0.1), 0.02, 0.98)

        decision = self.judged(diagnosed(1 - base), diagnosed(base))

        assert decision.verdict == "rejected"

    def test_a_good_ranking_with_bad_probabilities_is_not_published(
        self, diagnosed: Callable[..., list[Case]]
    ) -> None:
        base = np.clip(spread(0.9, count=45, width=0.05), 0.02, 0.98)

        decision = self.judged(diagnosed(0.5 + (base - 0.5) / 50), diagnosed(base))

        assert decision.verdict == "rejected"
        assert "Brier score" in decision.reason

    def test_swapped_labels_are_suspect(self, diagnosed: Callable[..., list[Case]]) -> None:
        base = np.clip(spread(0.9, count=45, width=0.05), 0.02, 0.98)
        everyone = range(45)

        decision = self.judged(
            diagnosed(1 - base, swapped=everyone),
            diagnosed(base, swapped=everyone),
            reference=0.9,
        )

        assert decision.verdict == "held"
        assert "the labels are suspect" in decision.reason
        assert "patient AUC of 0.000" in decision.reason

    def test_one_class_is_not_enough(self, diagnosed: Callable[..., list[Case]]) -> None:
        base = [0.9] * 45
        benign = [case for case in diagnosed(base) if case.pathology is Pathology.BENIGN]

        decision = self.judged(benign, benign)

        assert decision.verdict == "held"
        assert "0 malignant and 30 other locked patients, 4 of either" in decision.reason

    def test_few_patients_prove_nothing(self, diagnosed: Callable[..., list[Case]]) -> None:
        decision = self.judged(diagnosed([0.9] * 9), diagnosed([0.6] * 9))

        assert decision.verdict == "held"
        assert "9 locked patients of known pathology, 15 are needed" in decision.reason


class TestBrokenAndFirst:
    def test_answers_that_are_no_numbers_are_rejected(
        self, outlined: Callable[..., list[Case]]
    ) -> None:
        broken = [
            dataclasses.replace(case, malignant=float("nan")) for case in outlined(spread(0.8))
        ]

        decision = judged(broken, outlined(spread(0.5)))

        assert decision.verdict == "rejected"
        assert "no number came out for 30 of 30 locked images (first l0)" in decision.reason

    def test_one_that_cannot_be_measured_is_rejected(self) -> None:
        assert rejected("its weights are torn").verdict == "rejected"

    @pytest.mark.parametrize(("dice", "verdict"), [(0.6, "published"), (0.05, "rejected")])
    def test_a_first_model_must_beat_an_answer_that_knows_nothing(
        self, outlined: Callable[..., list[Case]], dice: float, verdict: str
    ) -> None:
        decision = judged(outlined([dice] * 3), None)

        assert decision.verdict == verdict
        assert "than the 0.095 of an answer that knows nothing" in decision.reason
        assert decision.cases[0].serving is None

    def test_a_first_model_without_locked_patients_is_published(self) -> None:
        decision = judged([], None)

        assert decision.verdict == "published"
        assert "no locked patient to measure it on yet" in decision.reason

    def test_without_locked_patients_nothing_replaces_what_serves(self) -> None:
        decision = judged([], [])

        assert decision.verdict == "held"
        assert "0 locked patients" in decision.reason
