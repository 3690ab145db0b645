"""How the app of MONAI Label stands on a service."""

import atexit
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monailabel.config import settings as monailabel_settings
from monailabel.interfaces.exception import MONAILabelError

from sonoloop.errors import SonoloopError
from sonoloop.records import Job
from sonoloop.service.info import TRAINERS
from sonoloop.service.processes import database_url
from sonoloop.service.scoring import METHODS
from sonoloop.service.server import Service
from sonoloop.tasks.conf import parse_conf
from sonoloop.tasks.environment import settle
from sonoloop.tasks.errors import reported_to_monailabel
from sonoloop.web.launch import log_to_workspace
from sonoloop.web.takeover import take_over

logger = logging.getLogger(__name__)


class ServedApp:
    """What our app does otherwise than ``MONAILabelApp``; stands before it among the bases.

    MONAI Label runs background work by starting the app a second time, keeps sessions in the
    user's home, and builds ``/info`` anew for each request. Here the service does all of it.
    """

    app_dir: str
    service: Service
    behind_proxy: bool

    def open(self, studies: str, conf: Mapping[str, Any]) -> None:
        """Open the service; it is closed when the program ends.

        Raises:
            MONAILabelException: If a setting is wrong, or the workspace is in use or unusable.
        """
        with reported_to_monailabel(MONAILabelError.APP_INIT_ERROR):
            settle(monailabel_settings)
            chosen = parse_conf(conf)
            self.behind_proxy = chosen.place.behind_proxy
            workspace = chosen.place.workspace.expanduser().resolve()
            self.service = Service.open(
                studies,
                workspace,
                chosen.server,
                chosen.pipeline,
                database_url=database_url(),
            )
        logger.info("workspace %s", workspace)
        atexit.register(self.service.close)

    def close(self) -> None:
        """Close the service."""
        atexit.unregister(self.service.close)
        self.service.close()

    def info(self) -> dict[str, Any]:
        """What ``/info`` says."""
        return dict(self.service.info.get())

    def on_init_complete(self) -> None:
        """Called by MONAI Label's server, and by it alone: our routes take the place of its."""
        from monailabel.app import app  # not at the top: tools that only want the app have none

        _log_into(self.service.store.paths.root, instead_of=Path(self.app_dir))
        take_over(app, self.service, behind_proxy=self.behind_proxy)

    def async_training(
        self, model: str | None, params: Mapping[str, Any] | None = None, enqueue: bool = False
    ) -> dict[str, Any] | None:
        """Begin a training, or with no model named, one of each; does not wait."""
        return self._begin(self.service.start_training, model or list(TRAINERS), params or {})

    def async_scoring(
        self, method: str | None, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """Begin a scoring, or with no method named, each; does not wait."""
        return self._begin(self.service.scoring.start, method or list(METHODS), params or {})

    def async_batch_infer(
        self, model: str, images: str, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """Begin a batch; does not wait."""
        choice = str(getattr(images, "value", images))

        def start(name: str, options: Mapping[str, Any]) -> Job:
            return self.service.batch.start(name, choice, options)

        return self._begin(start, model, params or {})

    def _begin(
        self,
        start: Callable[[str, Mapping[str, Any]], Job],
        names: str | list[str],
        params: Mapping[str, Any],
    ) -> dict[str, Any] | None:
        """The job as clients know it, or of several names each by its name; None is refused."""
        if not isinstance(names, str):
            return {name: self._begin(start, name, params.get(name) or {}) for name in names}
        try:
            return self.service.job_board.json(start(names, params))
        except SonoloopError as error:
            logger.warning("%s did not begin: %s", names, error)
            return None


def _log_into(workspace: Path, *, instead_of: Path) -> None:
    """Log into the workspace: MONAI Label logs into the app's folder, which servers share."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        file = getattr(handler, "baseFilename", None)
        if file and Path(file).is_relative_to(instead_of.resolve()):
            root.removeHandler(handler)
            handler.close()
    log_to_workspace(workspace)
