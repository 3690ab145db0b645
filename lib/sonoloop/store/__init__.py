"""What the server remembers: images, annotations, models and jobs of one workspace.

One SQLite database (another by URL), plus files: label maps under ``labels/``, model folders under
``models/``. Everything a method has returned from is on the disk.
"""

from sonoloop.store.annotations import NewAnnotation
from sonoloop.store.ids import validate_image_id, validate_tag
from sonoloop.store.paths import WorkspacePaths
from sonoloop.store.store import Store

__all__ = ["NewAnnotation", "Store", "WorkspacePaths", "validate_image_id", "validate_tag"]
