"""What the models told readers of images, so that a report can say what the reader knew.

Kept with what the reader submits, by the server's own word: clients tell only which model it was.
"""

import dataclasses
import hashlib
import threading
from collections import OrderedDict
from typing import Any, Final

import numpy as np

from sonoloop.geometry import LabelMap, Mask
from sonoloop.inference.findings_json import findings_to_params
from sonoloop.records import Findings
from sonoloop.service.labelling import SUGGESTION, Submission

KEPT: Final = 512
"""Images of which the last suggestion is remembered: more than readers have open at once."""

_TOLD: Final = ("probabilities", "lesions", "models")


def mask_digest(mask: LabelMap | Mask) -> str:
    """The same for masks of one shape that mark the same pixels."""
    return hashlib.sha256(np.packbits(mask > 0).tobytes()).hexdigest()


class Suggestions:
    """The last findings told of each image; usable from many threads."""

    def __init__(self, *, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._last: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def remember(self, image_id: str, findings: Findings) -> None:
        """Keep what somebody was told."""
        params = findings_to_params(findings)
        told = {name: params[name] for name in _TOLD}
        told["mask_digest"] = mask_digest(findings.mask)
        with self._lock:
            self._last[image_id] = told
            self._last.move_to_end(image_id)
            while len(self._last) > self._kept:
                self._last.popitem(last=False)

    def added_to(self, submission: Submission, image_id: str) -> Submission:
        """A submission with the suggestion it was made from, where that is remembered."""
        with self._lock:
            told = self._last.get(image_id)
        if told is None or told["models"].get("segmentation") != submission.source_model:
            return submission
        return dataclasses.replace(submission, info=submission.info | {SUGGESTION: told})
