"""The models that come with the program."""

import logging
from pathlib import Path

from sonoloop.networks.card import read_card
from sonoloop.service.inference import TASKS
from sonoloop.service.info import NAME
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)


def publish_shipped(store: Store, folder: Path) -> None:
    """Register the models in ``folder`` and publish each whose task is served by none yet.

    Raises:
        ModelError: If a model folder is incomplete.
    """
    known = {model.model_id for model in store.models.list()}
    for task in TASKS:
        model_dir = folder / task
        if not model_dir.is_dir():
            logger.info("no %s model is shipped", task)
            continue
        card = read_card(model_dir)
        if card.model_id not in known:
            store.models.register(card.as_dict(), model_dir)
            logger.info("registered the shipped model %s", card.model_id)
        if store.models.serving(task) is None:
            store.models.publish(
                card.model_id, kind="shipped", actor=NAME, reason="came with the program"
            )
