"""Our errors as MONAI Label's, in the one place where that happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from monailabel.interfaces.exception import MONAILabelError, MONAILabelException

from sonoloop import errors

KIND: Final[dict[type[errors.SonoloopError], MONAILabelError]] = {
    errors.TrainingError: MONAILabelError.APP_TRAIN_FAILED,
    errors.ModelError: MONAILabelError.MODEL_IMPORT_ERROR,
    errors.BusyError: MONAILabelError.APP_INFERENCE_FAILED,
    errors.ScoreError: MONAILabelError.APP_ERROR,
    errors.PacsError: MONAILabelError.SERVER_ERROR,
    errors.StoreError: MONAILabelError.SERVER_ERROR,
    errors.SonoloopError: MONAILabelError.INVALID_INPUT,
}
"""What MONAI Label calls each kind of error; a kind that is not here is called like its parent."""


class ReportedError(MONAILabelException):
    """An error of ours under MONAI Label's name.

    Attributes:
        error: Its kind, in MONAI Label's words.
        msg: Our sentence, which is also ``str(error)``; that of the parent shows a tuple.
    """

    def __str__(self) -> str:
        return str(self.msg)


@contextmanager
def reported_to_monailabel(error: MONAILabelError | None = None) -> Iterator[None]:
    """Let no error of ours out of an adapter but as one of MONAI Label's, its text kept.

    Args:
        error: Kind to report, whatever ours is called; None chooses by :data:`KIND`.
    """
    try:
        yield
    except errors.SonoloopError as problem:
        kind = error or next(KIND[parent] for parent in type(problem).__mro__ if parent in KIND)
        raise ReportedError(kind, str(problem)) from problem
