"""Sonoloop: an active-learning annotation server for breast ultrasound.

The rooms, lowest first (a room may import only rooms of lower rows; a test enforces it)::

    errors
    labels, geometry, settings, records
    imaging, transforms, networks, active_learning, evaluation, datasets, phantoms
    inference, store
    training, importing, pacs
    service, scenarios
    web
    tasks
    cli
"""

__version__ = "0.1.0"
