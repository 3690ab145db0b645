"""The source a user names: a folder or an address."""

from pathlib import Path

from sonoloop.errors import ConfigError
from sonoloop.pacs.cache import DEFAULT_LIMIT_MB
from sonoloop.pacs.folder import FolderSource
from sonoloop.pacs.port import StudyArchive


def open_source(studies: str, workspace: Path, *, cache_mb: int = DEFAULT_LIMIT_MB) -> StudyArchive:
    """The source of studies that ``studies`` names.

    Args:
        studies: Path of a folder, or http(s) address of the DICOMweb service of a PACS.
        workspace: Where fetched images are kept.
        cache_mb: Megabytes of 2**20 bytes that these may take.

    Raises:
        ConfigError: If it is neither.
    """
    if studies.startswith(("http://", "https://")):
        # Costs a third of a second, and folders do not need it.
        from sonoloop.pacs.dicomweb import DicomWebSource

        return DicomWebSource(studies, workspace, cache_limit_bytes=cache_mb * 2**20)
    root = Path(studies).expanduser()
    if not root.is_dir():
        raise ConfigError(
            [
                f"studies must be a folder or an http(s) address, got {studies!r} "
                f"(there is no such folder)"
            ]
        )
    return FolderSource(root, workspace)
