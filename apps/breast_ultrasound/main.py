"""Sonoloop as an app of MONAI Label: its interfaces over one service, and nothing else."""

from collections.abc import Callable
from typing import Any

from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask

from sonoloop import __version__
from sonoloop.labels import LABEL_NAMES
from sonoloop.service.info import DESCRIPTION, MODELS, NAME, TRAINERS
from sonoloop.service.scoring import METHODS
from sonoloop.service.strategies import STRATEGIES
from sonoloop.tasks.app import ServedApp
from sonoloop.tasks.datastore import StoreDatastore
from sonoloop.tasks.infer import LesionInfer
from sonoloop.tasks.scoring import ServiceBatch, ServiceScoring
from sonoloop.tasks.strategy import NextImage
from sonoloop.tasks.train import SupervisedTrain


class BreastUltrasoundApp(ServedApp, MONAILabelApp):
    """Lesion outline and benign/malignant estimate for breast ultrasound."""

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.open(studies, conf)
        labels = list(LABEL_NAMES)
        super().__init__(app_dir, studies, conf, NAME, DESCRIPTION, __version__, labels)

    def init_datastore(self) -> StoreDatastore:
        """Images and labels."""
        return StoreDatastore(self.service)

    def init_infers(self) -> dict[str, InferTask]:
        """Models, as viewers list them."""
        return {name: LesionInfer(self.service, self.datastore(), name) for name in MODELS}

    def init_trainers(self) -> dict[str, TrainTask]:
        """What can be trained."""
        return {task: SupervisedTrain(self.service, task) for task in TRAINERS}

    def init_strategies(self) -> dict[str, Strategy]:
        """Ways to choose the next image."""
        return {name: NextImage(self.service, name) for name in STRATEGIES}

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """Ways to compare drafts with readers."""
        return {name: ServiceScoring(self.service, name) for name in METHODS}

    def init_batch_infer(self) -> Callable[..., Any]:
        """Analysis of many images."""
        return ServiceBatch(self.service)
