"""One module per schema; ``down_revision`` chains them."""
