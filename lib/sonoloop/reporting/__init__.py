"""What readers decide as DICOM: segmentations and structured reports, written and read."""
