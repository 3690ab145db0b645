"""Which image is worth a reader's time next: scores of images, and strategies to choose by."""
