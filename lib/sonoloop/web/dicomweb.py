"""DICOMweb at ``/dicom-web``: our own over a study folder, or that of the PACS behind us."""

from fastapi import FastAPI

from sonoloop.pacs.folder import FolderSource
from sonoloop.pacs.port import DicomArchive
from sonoloop.web.routes import dicomweb, dicomweb_pixels, dicomweb_proxy, dicomweb_store


def install(app: FastAPI, archive: DicomArchive) -> None:
    """Have ``app`` answer DICOMweb for the studies of ``archive``.

    Args:
        app: With the service in its state.
        archive: The service's source; a folder is served by us, anything else is passed on to.
    """
    if isinstance(archive, FolderSource):
        for routes in (dicomweb, dicomweb_pixels, dicomweb_store):
            app.include_router(routes.router)
    else:
        app.include_router(dicomweb_proxy.router)
