"""Every error this package raises on purpose.

* SonoloopError
  - ConfigError            a setting is unknown, malformed or out of range
  - ImageReadError         a file is not an image this package can read
  - LabelReadError         a file is not a label (mask) that fits its image
  - GeometryError          a box, mask or spacing does not fit its image
  - InvalidIdError         an identifier could not be one of ours (bad characters, traversal)
  - InvalidRequestError    a request is malformed or asks for something impossible
    - NotAcceptableError   something is there, but in no form that the client takes
    - UploadTooLargeError  an upload exceeds the limit
  - NotFoundError          the image, label, model, strategy, session or job does not exist
    - AmbiguousImageError  an identifier names several images
  - ConflictError          the request contradicts the present state
    - JobConflictError     a job of this kind already runs on this model
    - StaleRevisionError   a reader's revision was made from one that is no longer his newest
    - BusyError            more is asked at once than the server can queue; try again soon
      - TooManyAttemptsError  too many log-ins failed; try again after a while
  - DatasetError           a data set on disk is not laid out as expected
  - ModelError             a weights folder is incomplete, foreign or corrupt
    - CompilationEndedError  whoever ended the server ended the compilation of a model with it
  - TrainingError          a training cannot start or cannot go on
  - ScoreError             an acquisition score cannot be computed or ranked
  - PacsError              the PACS is down or answers nonsense
  - InstanceRefusedError   the PACS answered and does not take a DICOM instance
  - DocumentError          a DICOM SEG or SR cannot be made or read
  - ViewerError            the OHIF viewer cannot be fetched, is damaged, or not supported
  - AuthenticationError    nobody is logged in, or name, password or token are wrong
  - ForbiddenError         who is logged in may not do this
  - StoreError             the database or label folder is unusable
  - ArchiveError           a file is no archive of a workspace, or not the one it claims to be

Messages read *what is wrong, the offending value, the rule or the likely cure*; lower case, no
full stop, no patient identifiers.
"""

from collections.abc import Sequence
from typing import Any


class SonoloopError(Exception):
    """Base of every error raised on purpose; ``str(error)`` is fit to show to a user."""


class ConfigError(SonoloopError, ValueError):
    """A setting is unknown, malformed or out of range; lists every problem at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("invalid configuration:\n" + "\n".join(f"  - {p}" for p in self.problems))


class ImageReadError(SonoloopError, ValueError):
    """A file is not an image this package can read.

    Attributes:
        code: Stable machine-readable reason, such as ``transfer_syntax`` or ``truncated``; the
            full list is in ``docs/inputs.md``.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"{code}: {message}")


class LabelReadError(SonoloopError, ValueError):
    """A file is not a label, or its size or values do not fit the image."""


class GeometryError(SonoloopError, ValueError):
    """A box, mask or spacing does not fit its image."""


class InvalidIdError(SonoloopError, ValueError):
    """An identifier could not be one of ours."""


class InvalidRequestError(SonoloopError, ValueError):
    """A request is malformed or asks for something impossible."""


class NotAcceptableError(InvalidRequestError):
    """Something is there, but in no form that the client takes."""


class UploadTooLargeError(InvalidRequestError):
    """An upload exceeds the limit of the server."""


class NotFoundError(SonoloopError, LookupError):
    """The thing asked for does not exist."""


class AmbiguousImageError(NotFoundError):
    """An identifier, such as a SeriesInstanceUID, names several images."""


class ConflictError(SonoloopError):
    """The request contradicts the present state."""


class JobConflictError(ConflictError):
    """A job of this kind already runs on this model."""


class StaleRevisionError(ConflictError):
    """A revision was made from one that is no longer its reader's newest; both are kept.

    Attributes:
        kept: The :class:`~sonoloop.records.Annotation` that came too late, kept as
            ``conflicting``.
        current: The one it did not know of, or None when nothing of the reader stands any more.
    """

    def __init__(self, message: str, *, kept: Any, current: Any) -> None:
        self.kept = kept
        self.current = current
        super().__init__(message)


class BusyError(ConflictError):
    """More is asked at once than the server can queue; the same request may succeed soon."""


class TooManyAttemptsError(BusyError):
    """Too many log-ins with a name or from an address failed.

    Attributes:
        seconds: When the next one is looked at, in seconds from now.
    """

    def __init__(self, message: str, *, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(message)


class DatasetError(SonoloopError, ValueError):
    """A data set on disk is not laid out as expected."""


class ModelError(SonoloopError, ValueError):
    """A weights folder is incomplete, foreign or corrupt."""


class CompilationEndedError(ModelError):
    """The compilation of a model was told to end, as it is when its server is."""


class TrainingError(SonoloopError, RuntimeError):
    """A training cannot start or cannot go on."""


class ScoreError(SonoloopError, ValueError):
    """An acquisition score cannot be computed or ranked."""


class PacsError(SonoloopError, OSError):
    """The PACS is down, slow, or answers nonsense."""


class InstanceRefusedError(SonoloopError):
    """The PACS answered, and does not take (or did not keep) a DICOM instance."""


class DocumentError(SonoloopError, ValueError):
    """A DICOM SEG or SR cannot be made from, or read as, what it is given."""


class ViewerError(SonoloopError, RuntimeError):
    """The OHIF viewer cannot be fetched, is damaged, or has a version that is not supported."""


class AuthenticationError(SonoloopError):
    """Nobody is logged in, or the name, password or token is wrong or has expired."""


class ForbiddenError(SonoloopError):
    """Who is logged in may not do this."""


class StoreError(SonoloopError, RuntimeError):
    """The database or the label folder is unusable."""


class ArchiveError(SonoloopError, ValueError):
    """A file is no archive of a workspace, is damaged, or was tampered with."""
