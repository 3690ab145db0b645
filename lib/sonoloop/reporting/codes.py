"""The coded concepts our documents use, and where each comes from.

SCT is SNOMED CT, DCM is DICOM PS3.16 Annex D, UCUM is the Unified Code for Units of Measure, BI the
ACR's BI-RADS; ``99SONOLOOP`` is ours, for the two things no published code was found for.
"""

from typing import Final

from pydicom.sr.coding import Code

from sonoloop.labels import Pathology

PRIVATE_SCHEME: Final = "99SONOLOOP"
PRIVATE_SCHEME_NAME: Final = "Sonoloop private codes"

MORPHOLOGIC: Final = Code("49755003", "SCT", "Morphologically Abnormal Structure")
MASS: Final = Code("4147007", "SCT", "Mass")
BREAST: Final = Code("76752008", "SCT", "Breast")
LATERALITY: Final = {
    "L": Code("7771000", "SCT", "Left"),
    "R": Code("24028007", "SCT", "Right"),
}
"""By value of the attributes Laterality and Image Laterality (PS3.3 C.7.3.1)."""

ARTIFICIAL_INTELLIGENCE: Final = Code("123110", "DCM", "Artificial Intelligence")
PERSON: Final = Code("121006", "DCM", "Person")
DEVICE: Final = Code("121007", "DCM", "Device")
REJECTED: Final = Code("113001", "DCM", "Rejected for Quality Reasons")
"""CID 7010, as IHE's Imaging Object Change Management has it."""

REPORT_TITLE: Final = Code("126000", "DCM", "Imaging Measurement Report")
PROCEDURE: Final = Code("47079000", "SCT", "Ultrasonography of breast")
"""CID 6050. CID 100, which TID 1500 begins with, holds no breast ultrasound and may be extended."""

LONG_AXIS: Final = Code("103339001", "SCT", "Long Axis")
SHORT_AXIS: Final = Code("103340004", "SCT", "Short Axis")
AREA: Final = Code("42798000", "SCT", "Area")
PERIMETER: Final = Code("131191004", "SCT", "Perimeter")
HEIGHT: Final = Code("121207", "DCM", "Height")
WIDTH: Final = Code("103355008", "SCT", "Width")
DEPTH_TO_WIDTH: Final = Code("DEPTH-WIDTH", PRIVATE_SCHEME, "Depth to width ratio")
PROBABILITY_OF_CANCER: Final = Code("111047", "DCM", "Probability of cancer")

MILLIMETRE: Final = Code("mm", "UCUM", "millimeter")
SQUARE_MILLIMETRE: Final = Code("mm2", "UCUM", "square millimeter")
RATIO: Final = Code("{ratio}", "UCUM", "ratio")
PERCENT: Final = Code("%", "UCUM", "Percent")

ASSESSMENT: Final = Code("111005", "DCM", "Assessment Category")
BIRADS: Final = {
    "0": Code("397138000", "SCT", "0 - Incomplete - Need additional imaging evaluation"),
    "1": Code("397140005", "SCT", "1 - Negative"),
    "2": Code("397141009", "SCT", "2 - Benign"),
    "3": Code("397143007", "SCT", "3 - Probably Benign"),
    "4": Code("397144001", "SCT", "4 - Suspicious"),
    "4A": Code("MA.II.A.5.4A", "BI", "4A - Low suspicion", "4.0"),
    "4B": Code("MA.II.A.5.4B", "BI", "4B - Intermediate suspicion", "4.0"),
    "4C": Code("MA.II.A.5.4C", "BI", "4C - Moderate suspicion", "4.0"),
    "5": Code("397145000", "SCT", "5 - Highly suggestive of malignancy"),
    "6": Code("MA.II.A.5.6", "BI", "6 - Known biopsy proven malignancy", "4.0"),
}
"""CID 6027, by BI-RADS category. Scheme BI needs a version; 4.0 is the edition that named 4A-4C."""

IMPRESSION: Final = Code("121073", "DCM", "Impression")
PATHOLOGY: Final = {
    Pathology.BENIGN: Code("30807003", "SCT", "Benign"),
    Pathology.MALIGNANT: Code("21594007", "SCT", "Malignant"),
}
"""CID 6063; said as an impression, since no tissue was looked at."""

NORMAL: Final = Code("169254007", "SCT", "Ultrasound scan normal")
QUALITY: Final = Code("111050", "DCM", "Quality Assessment")
NOT_ASSESSABLE: Final = Code("NOT-ASSESSABLE", PRIVATE_SCHEME, "Image not assessable")
COMMENT: Final = Code("121106", "DCM", "Comment")
