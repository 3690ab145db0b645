"""The JSON bodies of our own routes, typed: what does not fit is refused with a sentence."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt
from pydantic_core import PydanticCustomError

from sonoloop.records import SkipKind, Verdict
from sonoloop.service.labelling import MAX_TEXT
from sonoloop.store.ids import MAX_ID

MAX_NOTE: Final = 2000
MAX_IMAGES: Final = 1000
"""In one assignment: all of it is one transaction, and others wait for its end."""
MAX_READERS: Final = 100


def _printable(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("printable", "takes printable text")
    return text


def _storable(text: str) -> str:
    if "\0" in text:  # not every database can keep it
        raise PydanticCustomError("storable", "takes text without NUL")
    return text


Name: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_printable)
]
"""Of a reader or an image."""

Note: TypeAlias = Annotated[str, Field(max_length=MAX_NOTE), AfterValidator(_storable)]
"""Free text, with lines."""

Reason: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=MAX_NOTE), AfterValidator(_storable)
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LeaseBody(_Body):
    """A reader who opens an image he chose."""

    image: Name
    reader: Name


class SkipBody(_Body):
    """A reader who gives no outline; ``not_assessable`` is an answer."""

    image: Name
    reader: Name
    kind: SkipKind = "skip"
    reason: Reason


class AssignmentBody(_Body):
    """Images, and how many readers or which are to answer."""

    images: Annotated[list[Name], Field(min_length=1, max_length=MAX_IMAGES)]
    readers: (
        Annotated[StrictInt, Field(ge=1, le=MAX_READERS)]
        | Annotated[list[Name], Field(min_length=1, max_length=MAX_READERS)]
    )


class ReviewBody(_Body):
    """What a reviewer decides; a refusal says why."""

    reviewer: Name
    verdict: Verdict
    note: Note = ""


class WordBody(_Body):
    """Whose word a change of the serving model is, and why."""

    actor: Name
    reason: Note = ""


class PublishBody(WordBody):
    """A version that is to serve."""

    model_id: Name


class RetryBody(_Body):
    """Whose word it is that documents are sent again, and which; None is all that failed."""

    actor: Name
    entries: (
        Annotated[
            list[Annotated[StrictInt, Field(ge=1, le=MAX_ID)]],
            Field(min_length=1, max_length=MAX_IMAGES),
        ]
        | None
    ) = None
    off: bool = False


Tag: TypeAlias = Literal["final", "original"]
