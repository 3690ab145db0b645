"""The OHIF viewer: fetched once, checked, made to live below ``/ohif/``, and kept in a cache.

OHIF is taken as its makers publish it and is not built here; what is changed is where it looks
for its own files, and what is left out (:mod:`sonoloop.viewer.prepare`).
"""

from sonoloop.viewer.cache import InstalledViewer, cache_folder, find_viewer
from sonoloop.viewer.install import install_viewer
from sonoloop.viewer.release import BASE, OHIF, REGISTRY, Release

__all__ = [
    "BASE",
    "OHIF",
    "REGISTRY",
    "InstalledViewer",
    "Release",
    "cache_folder",
    "find_viewer",
    "install_viewer",
]
