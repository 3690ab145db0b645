"""Ultrasound in and out: one canonical grey image from any file, masks, and DICOM writing."""
