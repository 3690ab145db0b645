import pytest

from sonoloop.errors import ConfigError
from sonoloop.simulation.plan import Plan


def plan(**given: object) -> Plan:
    return Plan(**({"strategies": ("random",), "seeds": (0,)} | given))  # type: ignore[arg-type]


class TestLabelCounts:
    def test_batches_stay_alike_without_growth(self) -> None:
        assert plan(start=10, batch=5, growth=1, rounds=4).label_counts(99) == (10, 15, 20, 25)

    def test_every_batch_grows_over_the_one_before(self) -> None:
        assert plan(start=10, batch=5, growth=2, rounds=4).label_counts(99) == (10, 15, 25, 45)

    def test_the_pool_can_be_used_up_exactly(self) -> None:
        assert plan(start=10, batch=5, growth=1, rounds=3).label_counts(20)[-1] == 20

    def test_more_labels_than_images_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="3 rounds reach 20 labels, there are 19 images"):
            plan(start=10, batch=5, growth=1, rounds=3).label_counts(19)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"strategies": ()}, "at least one strategy"),
        ({"strategies": ("a", "a")}, "strategies must differ"),
        ({"seeds": ()}, "at least one seed"),
        ({"start": 1}, "start must be at least 2, got 1"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"growth": 0.5}, r"growth must be in \[1, 10\], got 0.5"),
        ({"rounds": 1}, "rounds must be at least 2, got 1"),
    ],
)
def test_what_cannot_be_simulated_is_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        plan(**given)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        plan(start=0, batch=0, rounds=0)

    assert len(caught.value.problems) == 3
