"""Synthetic breast ultrasound: seeded phantoms with masks, for samples and tests."""
