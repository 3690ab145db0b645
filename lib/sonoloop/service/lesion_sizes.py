"""Sizes of the lesions in an answer: millimetres where the image is calibrated, else pixels."""

from typing import Any, Final

import numpy as np
from scipy import ndimage

from sonoloop.geometry import Box, Mask
from sonoloop.inference.components import CONNECTIVITY
from sonoloop.records import Findings

PIXELS: Final = (1.0, 1.0)
"""Spacing that leaves lengths in pixels."""


def sizes_of(findings: Findings) -> list[dict[str, Any]]:
    """Sizes of each lesion, in their order.

    ``unit`` is ``mm`` or ``px``; lengths are in it, ``area`` in its square (pixels where it is
    ``px``), ``depth_to_width`` above 1 is taller than wide.
    """
    # Here: a server that nobody asks for sizes does without the half second of the import.
    from sonoloop.reporting.measure import measure

    spacing, unit = (findings.spacing_mm, "mm") if findings.spacing_mm else (PIXELS, "px")
    sizes = []
    for lesion in findings.lesions:
        size = measure(lesion_mask(findings.mask, lesion.box), spacing)
        figures = {
            "long_axis": size.long_axis_mm,
            "short_axis": size.short_axis_mm,
            "width": size.width_mm,
            "height": size.height_mm,
            "perimeter": size.perimeter_mm,
            "area": size.area_mm2,
            "depth_to_width": size.depth_to_width,
        }
        sizes.append({"unit": unit} | {name: round(value, 2) for name, value in figures.items()})
    return sizes


def lesion_mask(mask: Mask, box: Box) -> Mask:
    """The lesion that fills ``box``, without what of others lies inside the box.

    Args:
        mask: (H, W), True on every lesion.
        box: Tight box around one of them.
    """
    inside = np.s_[box.top : box.bottom, box.left : box.right]
    labels, _ = ndimage.label(mask[inside], structure=CONNECTIVITY)
    whole = (slice(0, box.height), slice(0, box.width))
    filling = [n for n, found in enumerate(ndimage.find_objects(labels), 1) if found == whole]
    alone = np.zeros_like(mask)
    alone[inside] = labels == filling[0] if filling else labels > 0
    return alone
