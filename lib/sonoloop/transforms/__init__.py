"""From an image's own grid to the network's square and back; augmentation."""
