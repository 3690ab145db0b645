"""The proxy on phantoms of 64 pixels; an encoder of random weights, so no weights are needed."""

from pathlib import Path

import numpy as np
import pytest

from sonoloop.active_learning.candidates import SCORE_NAMES
from sonoloop.datasets.select import select
from sonoloop.errors import DatasetError
from sonoloop.records import LabelledImage
from sonoloop.simulation.proxy_learner import ProxyLearner
from sonoloop.training.proxy_settings import ProxySettings

MANIFEST = Path(__file__).resolve().parents[2] / "sample-data" / "truth" / "manifest.csv"
QUICK = ProxySettings(
    encoder="random", size_px=64, views=2, widths=(8, 8, 8), steps=30, passes=0, batch_size=4
)


@pytest.fixture(scope="module")
def splits() -> tuple[list[LabelledImage], list[LabelledImage]]:
    named = [list(select(str(MANIFEST), split=split).images) for split in ("1,2,3", "4,5")]
    return named[0], named[1]


@pytest.fixture(scope="module")
def learner(
    splits: tuple[list[LabelledImage], list[LabelledImage]],
    tmp_path_factory: pytest.TempPathFactory,
) -> ProxyLearner:
    return ProxyLearner(*splits, QUICK, tmp_path_factory.mktemp("features"))


def test_the_pool_knows_families_and_embeddings(
    learner: ProxyLearner, splits: tuple[list[LabelledImage], list[LabelledImage]]
) -> None:
    pool = learner.pool

    assert set(pool.image_ids) <= {item.image_id for item in splits[0]}
    patients = {item.image_id: item.patient for item in splits[0]}
    for name, family in zip(pool.image_ids, pool.families, strict=True):
        assert patients[name] == patients[family]
    assert np.ptp(pool.features(), axis=0).max() > 0


def test_an_outcome_has_figures_and_every_score(learner: ProxyLearner) -> None:
    outcome = learner.learn(range(len(learner.pool)), seed=0)

    assert 0 <= outcome.dice <= 1
    assert outcome.auc is None or 0 <= outcome.auc <= 1
    scores = outcome.scores()
    assert set(scores) == set(SCORE_NAMES)
    assert all(len(values) == len(learner.pool) for values in scores.values())


def test_the_same_seed_and_images_give_the_same_outcome_in_any_order(
    learner: ProxyLearner,
) -> None:
    first = learner.learn([0, 1, 2, 3], seed=1)
    again = learner.learn([3, 1, 0, 2], seed=1)
    other = learner.learn([0, 1, 2, 3], seed=2)

    assert (first.dice, first.auc) == (again.dice, again.auc)
    assert all(np.array_equal(v, again.scores()[n]) for n, v in first.scores().items())
    assert first.dice != other.dice


def test_a_patient_on_both_sides_is_refused(
    splits: tuple[list[LabelledImage], list[LabelledImage]], tmp_path: Path
) -> None:
    train, test = splits

    with pytest.raises(DatasetError, match="share 1 patients or groups"):
        ProxyLearner(train, [*test, train[0]], QUICK, tmp_path)


def test_features_are_computed_once(
    splits: tuple[list[LabelledImage], list[LabelledImage]], tmp_path: Path
) -> None:
    told: list[int] = []
    few = (splits[0][:3], splits[1][:3])

    for _ in range(2):
        ProxyLearner(*few, QUICK, tmp_path, told=lambda done, total: told.append(done))

    assert sum(told) == 3 + 6 + 3  # two views of three images in one block each, then one view
    assert len(list(tmp_path.iterdir())) == 2
