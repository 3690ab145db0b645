"""Training of the segmenter and the classifier; the same code for command line and server."""
