"""What is doubtful about labels: pure functions of masks, classes and pictures."""
