"""MONAI Label's own settings: those we set, and those we must refuse.

Its defaults would score with every model after every request, write MLflow files it cannot read,
overlook DICOM, and search the archive for CT alone.
"""

from typing import Any, Final, Protocol

from sonoloop.errors import ConfigError
from sonoloop.imaging.read import IMAGE_SUFFIXES

OURS: Final[dict[str, Any]] = {
    "MONAI_LABEL_AUTO_UPDATE_SCORING": False,
    "MONAI_LABEL_TRACKING_ENABLED": False,
    "MONAI_LABEL_SESSIONS": False,  # sessions are ours, in the workspace
    "MONAI_LABEL_DATASTORE_AUTO_RELOAD": False,  # the service looks for new studies itself
    "MONAI_LABEL_DATASTORE_FILE_EXT": [f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES)],
    "MONAI_LABEL_DICOMWEB_SEARCH_FILTER": {"Modality": "US"},
}

NOT_HONOURED: Final[dict[str, Any]] = {
    "MONAI_LABEL_AUTH_ENABLE": False,
    "MONAI_LABEL_API_STR": "",
    "MONAI_LABEL_DATASTORE_READ_ONLY": False,
    "MONAI_LABEL_DATASTORE_USERNAME": "",
    "MONAI_LABEL_DICOMWEB_USERNAME": "",
    "MONAI_LABEL_TASKS_TRAIN": True,
    "MONAI_LABEL_TASKS_STRATEGY": True,
    "MONAI_LABEL_TASKS_SCORING": True,
    "MONAI_LABEL_TASKS_BATCH_INFER": True,
}
"""Settings that promise something we do not do, with the only value we can take."""


class MonaiLabelSettings(Protocol):
    """``monailabel.config.settings``, as far as it is touched here."""

    MONAI_LABEL_AUTH_ENABLE: bool


def settle(settings: MonaiLabelSettings) -> None:
    """Set what we set; whatever a site chose there is overruled.

    Raises:
        ConfigError: If a site chose something that we would silently not do.
    """
    problems = [
        f"{name}={getattr(settings, name)} is not supported (unset it)"
        for name, allowed in NOT_HONOURED.items()
        if getattr(settings, name) != allowed
    ]
    if problems:
        raise ConfigError(problems)
    for name, value in OURS.items():
        setattr(settings, name, value)
