"""What a DICOMweb PACS holds in its studies, asked for several studies at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from sonoloop.errors import InvalidIdError, NotFoundError, PacsError
from sonoloop.pacs.qido import QidoClient
from sonoloop.store.ids import validate_image_id
from sonoloop.store.records import Refusal

AT_ONCE: Final = 4
"""Questions on their way: a PACS serves its clinic first."""

STUDIES_A_BATCH: Final = 16
"""Studies registered in one transaction."""

IsNew = Callable[[str], bool]
"""Whether an instance must be looked at, by its locator."""


@dataclass(slots=True)
class StudyListing:
    """The ultrasound of one study.

    Attributes:
        study: Its UID.
        there: Locators of all instances, ``<study>/<series>/<instance>``.
        new: DICOM JSON of those that must be looked at, by locator; without those that left.
        refused: Why it could not be listed.
    """

    study: str
    there: set[str] = field(default_factory=set)
    new: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)


def list_studies(
    qido: QidoClient, studies: Sequence[str], is_new: IsNew
) -> Iterator[list[StudyListing]]:
    """The studies in their order, a batch at a time.

    Raises:
        PacsError: If the PACS is down or answers nonsense; what it answered before comes first.
    """
    with ThreadPoolExecutor(AT_ONCE, "ask-pacs") as pool:
        for start in range(0, len(studies), STUDIES_A_BATCH):
            batch = studies[start : start + STUDIES_A_BATCH]
            asked = [pool.submit(list_study, qido, study, is_new) for study in batch]
            listings, failure = [], None
            for answer in asked:
                try:
                    listings.append(answer.result())
                except PacsError as error:
                    failure = failure or error
            yield listings
            if failure is not None:
                raise failure


def list_study(qido: QidoClient, study: str, is_new: IsNew) -> StudyListing:
    """One study; what was deleted since it was named is not in it.

    Raises:
        PacsError: If the PACS is down or answers nonsense.
    """
    listing = StudyListing(study)
    try:
        validate_image_id(study)
        for series in qido.series(study):
            validate_image_id(series)
            _add_series(qido, listing, series, is_new)
    except NotFoundError:
        return listing
    except InvalidIdError as error:
        refusal = Refusal(locator=f"{study[:64]}/", code="bad_uid", message=str(error))
        listing.refused.append(refusal)
    return listing


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
