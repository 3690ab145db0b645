"""Targets softened by the reader's category."""

import numpy as np
import pytest

from sonoloop.training.targets import soft_targets

CLASSES = np.array([0, 0, 0, 1, 1, 1])
BIRADS = ["2", "2", "4", "4", "4", None]


def test_without_weight_every_target_is_hard() -> None:
    targets = soft_targets(CLASSES, BIRADS, count=2, reader_weight=0.0)

    assert targets.tolist() == np.eye(2)[CLASSES].tolist()


def test_a_category_pulls_towards_what_it_turned_out_to_be() -> None:
    targets = soft_targets(CLASSES, BIRADS, count=2, reader_weight=0.4)

    of_four = (2 + 5 * 0.5) / (3 + 5)
    assert targets[2, 1] == pytest.approx(0.4 * of_four)
    assert targets[3, 1] == pytest.approx(0.6 + 0.4 * of_four)
    assert targets[2, 1] > targets[0, 1]


def test_a_target_without_category_stays_hard() -> None:
    targets = soft_targets(CLASSES, BIRADS, count=2, reader_weight=0.4)

    assert targets[5].tolist() == [0.0, 1.0]


def test_every_target_is_a_distribution() -> None:
    targets = soft_targets(CLASSES, BIRADS, count=3, reader_weight=0.7)

    assert targets.sum(1) == pytest.approx(1.0)
    assert targets.min() >= 0
