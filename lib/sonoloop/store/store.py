"""One workspace, opened."""

import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from sonoloop.store.accounts import Accounts
from sonoloop.store.acquisition import Acquisition
from sonoloop.store.annotations import Annotations
from sonoloop.store.assignments import Assignments
from sonoloop.store.database import Database
from sonoloop.store.dump import Dump
from sonoloop.store.events import Events
from sonoloop.store.gates import Gates
from sonoloop.store.images import Images
from sonoloop.store.jobs import Jobs
from sonoloop.store.leases import Leases
from sonoloop.store.migrate import ensure_schema
from sonoloop.store.models import Models
from sonoloop.store.outbox import Outbox
from sonoloop.store.overview import Overview
from sonoloop.store.paths import WorkspacePaths, make_private_file, refusals_told
from sonoloop.store.quality import Quality
from sonoloop.store.reviews import Reviews
from sonoloop.store.skips import Skips

logger = logging.getLogger(__name__)


class Store:
    """What the server remembers; usable from many threads and from several processes at once.

    Attributes:
        paths: Folders of the workspace.
        images: The images and the pool of those still to be labelled.
        annotations: What readers and models said of them.
        leases: Who works on which image.
        assignments: How many readers, or which, are to answer for an image.
        skips: Images that were passed over or cannot be assessed.
        reviews: What reviewers decided of annotations.
        models: The registry of model versions, and which of them serve.
        gates: What the gate measured and decided, and which patients are locked.
        jobs: Background work.
        events: The log of what happened.
        overview: Counts for those who look on.
        quality: What is doubtful about labels.
        dump: Every row of every table, for archives.
        acquisition: Scores of images and the queues of strategies.
        accounts: Who may log in.
        outbox: What is on its way to the archive.
    """

    def __init__(self, paths: WorkspacePaths, database: Database) -> None:
        self.paths = paths
        self._database = database
        self.images = Images(database)
        self.annotations = Annotations(database, paths)
        self.leases = Leases(database)
        self.assignments = Assignments(database)
        self.skips = Skips(database)
        self.reviews = Reviews(database)
        self.models = Models(database, paths)
        self.gates = Gates(database)
        self.jobs = Jobs(database)
        self.events = Events(database)
        self.overview = Overview(database)
        self.quality = Quality(database)
        self.dump = Dump(database)
        self.acquisition = Acquisition(database)
        self.accounts = Accounts(database)
        self.outbox = Outbox(database)

    @property
    def writes(self) -> int:
        """Grows with every change this process makes; equal numbers mean nothing has changed."""
        return self._database.writes

    @classmethod
    def open(cls, workspace: Path, *, url: str | None = None) -> Self:
        """Open a workspace, making it or bringing its database up to date where needed.

        Args:
            workspace: Folder of everything a user creates; made when it does not exist.
            url: Address of the database; None is a SQLite file in the workspace.

        Raises:
            StoreError: If the folder or the database is unusable, or the database is newer than
                this program.
        """
        paths = WorkspacePaths(workspace.resolve())
        paths.make()
        database = Database.at(paths.database) if url is None else Database(url)
        try:
            with refusals_told(paths.root):
                if url is None and not paths.database.exists():
                    make_private_file(paths.database)
                ensure_schema(database, paths.root)
        except BaseException:
            database.close()
            raise
        store = cls(paths, database)
        leftovers = store.annotations.sweep_orphans()
        if leftovers:
            logger.info("removed %s label files that a dead process left half written", leftovers)
        return store

    @property
    def url(self) -> str | None:
        """Address of the database with its password; None for the file of the workspace."""
        if self._database.url == Database.at(self.paths.database).url:
            return None
        return self._database.url.render_as_string(hide_password=False)

    def claim(self) -> None:
        """Be the only server of this database until the store is closed.

        Raises:
            StoreError: If another server has it.
        """
        self._database.claim()

    def close(self) -> None:
        """Close the database; the store cannot be used afterwards."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
