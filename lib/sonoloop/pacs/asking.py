"""What a DICOMweb PACS holds in its studies, asked for several studies at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sonoloop.errors import InvalidIdError, NotFoundError, PacsError, SonoloopError
from sonoloop.pacs.qido import QidoClient
from sonoloop.store.ids import validate_image_id
from sonoloop.store.records import Refusal

AT_ONCE: Final = 4
"""Questions on their way: a PACS serves its clinic first."""

STUDIES_A_BATCH: Final = 16
"""Studies registered in one transaction."""

Extent = Literal["whole", "undescribed", "cut short", "gone"]
"""``undescribed``: listed, but of some instances there is no description yet; ``cut short``: not
listed to the end, so that what is known of it stays; ``gone``: the PACS has it no more."""

IsNew = Callable[[str], bool]
"""Whether an instance must be looked at, by its locator."""


@dataclass(slots=True)
class StudyListing:
    """The ultrasound of one study.

    Attributes:
        study: Its UID.
        extent: How much of it the PACS told.
        failure: What the PACS failed with; refused too.
        there: Locators of all instances, ``<study>/<series>/<instance>``.
        new: DICOM JSON of those that must be looked at, by locator; without those that left.
        refused: Why it could not be listed.
    """

    study: str
    extent: Extent = "whole"
    failure: PacsError | None = None
    there: set[str] = field(default_factory=set)
    new: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)


def list_studies(
    qido: QidoClient, studies: Sequence[str], is_new: IsNew
) -> Iterator[list[StudyListing]]:
    """The studies in their order, a batch at a time; one that fails holds up no other.

    Raises:
        PacsError: If the PACS is down or answers nonsense; what it answered before comes first.
    """
    with ThreadPoolExecutor(AT_ONCE, "ask-pacs") as pool:
        for start in range(0, len(studies), STUDIES_A_BATCH):
            batch = studies[start : start + STUDIES_A_BATCH]
            listings = list(pool.map(lambda study: list_study(qido, study, is_new), batch))
            yield listings
            failed = next((one for one in listings if one.failure), None)
            if failed is not None:
                qido.has_study(failed.study)  # raises when it is not this study alone


def list_study(qido: QidoClient, study: str, is_new: IsNew) -> StudyListing:
    """One study; what was deleted since it was named is not in it, a failure is."""
    listing = StudyListing(study)
    try:
        validate_image_id(study)
        _list_series(qido, listing, is_new)
    except InvalidIdError as error:
        listing.refused.append(_refusal(study[:64], "bad_uid", error))
    except PacsError as error:
        listing.extent, listing.failure = "cut short", error
        listing.refused.append(_refusal(study, "unreadable", error))
    return listing


def _refusal(study: str, code: str, error: SonoloopError) -> Refusal:
    return Refusal(locator=f"{study}/", code=code, message=str(error))


def _list_series(qido: QidoClient, listing: StudyListing, is_new: IsNew) -> None:
    try:
        for series in qido.series(listing.study):
            validate_image_id(series)
            _add_series(qido, listing, series, is_new)
    except NotFoundError:
        # It may have been deleted just now; more often a PACS has not taken all of it in yet.
        if qido.has_study(listing.study):
            listing.extent = "cut short"
        else:
            listing.extent = "gone"
            listing.there.clear()
            listing.new.clear()


def _add_series(qido: QidoClient, listing: StudyListing, series: str, is_new: IsNew) -> None:
    found = {
        f"{listing.study}/{series}/{instance}": instance
        for instance in qido.instances(listing.study, series)
    }
    listing.there.update(found)
    wanted = {locator: instance for locator, instance in found.items() if is_new(locator)}
    if wanted:
        metadata = qido.metadata(listing.study, series, list(wanted.values()))
        for locator, instance in wanted.items():
            if instance in metadata:
                listing.new[locator] = metadata[instance]
            else:
                listing.extent = "undescribed"
