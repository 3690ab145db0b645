"""What would a strategy have cost: labels of a finished data set revealed batch by batch."""
