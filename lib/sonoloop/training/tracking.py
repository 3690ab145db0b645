"""Curves and settings of every run, in MLflow with an SQLite file beside the runs.

``mlflow ui --backend-store-uri sqlite:///<workspace>/runs/mlflow.db`` shows them.
"""

import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from sonoloop.settings import TrainingSettings

DATABASE = "mlflow.db"


class Tracker:
    """One MLflow run; does nothing when tracking is switched off in the settings.

    Args:
        run_dir: Folder of the run; the database lies in its parent.
        task: Experiment the run belongs to.
        settings: Logged as parameters.
    """

    def __init__(self, run_dir: Path, task: str, settings: TrainingSettings) -> None:
        self._enabled = settings.tracking == "mlflow"
        self._run_dir, self._task, self._settings = run_dir, task, settings

    def __enter__(self) -> Self:
        if self._enabled:
            from mlflow.entities import Param
            from mlflow.tracking import MlflowClient

            logging.getLogger("mlflow").setLevel(logging.WARNING)
            logging.getLogger("alembic").setLevel(logging.WARNING)
            root = self._run_dir.parent.resolve()
            self._client = MlflowClient(tracking_uri=f"sqlite:///{root / DATABASE}")
            known = self._client.get_experiment_by_name(self._task)
            experiment = (
                known.experiment_id
                if known
                else self._client.create_experiment(
                    self._task, artifact_location=(root / "mlflow").as_uri()
                )
            )
            self._run = self._client.create_run(experiment, run_name=self._run_dir.name)
            params = [Param(k, str(v)) for k, v in self._settings.as_dict().items()]
            self._client.log_batch(self._run.info.run_id, params=params)
        return self

    def log(self, epoch: int, **figures: float) -> None:
        """Add one point to each curve."""
        if self._enabled:
            for name, value in figures.items():
                self._client.log_metric(self._run.info.run_id, name, value, step=epoch)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._enabled:
            status = "FINISHED" if error is None else "FAILED"
            self._client.set_terminated(self._run.info.run_id, status=status)
