import numpy as np
import pytest
from sklearn.metrics import accuracy_score, recall_score

from sonoloop.labels import PATHOLOGIES, Pathology
from sonoloop.training.verdict import selection_figure, verdict

TWO = (Pathology.BENIGN, Pathology.MALIGNANT)


def test_malignant_against_benign_is_what_two_classes_are_chosen_by() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]])

    assert selection_figure(np.array([0, 0, 1, 1]), probabilities, TWO) == 0.75


def test_normal_against_the_rest_counts_as_much_where_there_are_normal_images() -> None:
    truth = np.array([0, 1, 1, 2])
    probabilities = np.array([[0.2, 0.8, 0.0], [0.5, 0.5, 0.0], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]])

    assert selection_figure(truth, probabilities, PATHOLOGIES) == pytest.approx((1 + 2 / 3) / 2)


def test_accuracy_decides_where_nothing_can_be_ranked() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6]])

    assert selection_figure(np.array([1, 1]), probabilities, TWO) == 0.5


def test_a_verdict_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, malignant = rng.random(50) < 0.4, rng.random(50)
    called = malignant >= 0.3

    figures = verdict(truth, malignant, 0.3)

    assert figures["accuracy"] == accuracy_score(truth, called)
    assert figures["sensitivity"] == recall_score(truth, called)
    assert figures["specificity"] == recall_score(~truth, ~called)
    assert figures["malignant"] + figures["others"] == 50


def test_what_no_image_can_tell_is_left_out() -> None:
    figures = verdict(np.array([True]), np.array([0.5]), 0.5)

    assert figures["sensitivity"] == 1
    assert "specificity" not in figures
