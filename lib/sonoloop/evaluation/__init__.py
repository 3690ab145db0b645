"""How good a model is: figures with intervals, checked against other libraries."""
