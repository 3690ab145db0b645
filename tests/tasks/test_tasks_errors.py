"""Errors of ours as MONAI Label's."""

import pytest
from monailabel.interfaces.exception import MONAILabelError, MONAILabelException

from sonoloop import errors
from sonoloop.tasks.errors import KIND, reported_to_monailabel

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (errors.AmbiguousImageError("three images"), MONAILabelError.INVALID_INPUT),
        (errors.JobConflictError("runs already"), MONAILabelError.INVALID_INPUT),
        (errors.TrainingError("too few"), MONAILabelError.APP_TRAIN_FAILED),
        (errors.StoreError("disk full"), MONAILabelError.SERVER_ERROR),
    ],
)
def test_an_error_keeps_its_text_and_gets_its_kind(
    problem: errors.SonoloopError, kind: MONAILabelError
) -> None:
    with (
        pytest.raises(MONAILabelException, match=f"^{problem}$") as caught,
        reported_to_monailabel(),
    ):
        raise problem

    assert (caught.value.error, caught.value.msg) == (kind, str(problem))


def test_the_kind_may_be_chosen() -> None:
    kind = MONAILabelError.APP_INIT_ERROR

    with pytest.raises(MONAILabelException) as caught, reported_to_monailabel(kind):
        raise errors.StoreError("in use")

    assert caught.value.error is kind


def test_a_bug_is_not_dressed_up() -> None:
    with pytest.raises(KeyError, match="x"), reported_to_monailabel():
        raise KeyError("x")


def test_only_errors_of_ours_are_listed() -> None:
    assert set(KIND) <= set(KINDS)
