"""Stands in for ``sonoloop.service.acquisition_worker``: scores by brightness, once it may.

It waits for the file named by ``SCORER_GATE`` before every image, and ends at once where
``SCORER_CRASHES`` is set; everything else is the real process.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

from sonoloop.active_learning.candidates import SCORE_NAMES
from sonoloop.imaging.image import UltrasoundImage
from sonoloop.inference.acquisition import Sight
from sonoloop.service import acquisition_worker
from sonoloop.service.ranking import Scorer
from sonoloop.settings import PipelineSettings

LONGEST_WAIT_S = 60.0


def load(segmentation: Path, classification: Path, settings: PipelineSettings) -> Scorer:
    del segmentation, classification, settings
    gate = os.environ.get("SCORER_GATE")
    if os.environ.get("SCORER_CRASHES"):
        sys.stderr.write("the weights are made of cheese\n")
        sys.exit(3)

    def scorer(image: UltrasoundImage) -> Sight:
        deadline = time.monotonic() + LONGEST_WAIT_S
        while gate and not Path(gate).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        value = float(image.pixels.mean()) / 255
        scores = dict.fromkeys(SCORE_NAMES, value) | {"predicted_class": 1.0}
        return Sight(scores, np.array([value, 1.0 - value], np.float32))

    return scorer


if __name__ == "__main__":
    acquisition_worker.EXTRA_NICENESS = 0  # type: ignore[misc] # a busy machine would starve it
    sys.exit(acquisition_worker.main(load=load))
