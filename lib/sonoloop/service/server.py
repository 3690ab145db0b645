"""Everything the server does, put together and looked after."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

from sonoloop.inference.shipped import SHIPPED_MODELS
from sonoloop.pacs.open import open_source
from sonoloop.pacs.port import StudyArchive
from sonoloop.records import Annotation, Job, LabelTag, Review, Verdict
from sonoloop.service.accounts import AccountService
from sonoloop.service.acquisition import AcquisitionService
from sonoloop.service.agreement import Agreement
from sonoloop.service.analysis import Analysis
from sonoloop.service.background import BackgroundJobs
from sonoloop.service.batch import BatchService
from sonoloop.service.board import Dashboard
from sonoloop.service.caretaker import Caretaker
from sonoloop.service.first_look import address_of, found_in, is_address, remember_studies
from sonoloop.service.foreign_watch import ForeignWatch
from sonoloop.service.images import ImageLibrary
from sonoloop.service.inference import InferenceService, PipelineLoader
from sonoloop.service.info import DESCRIPTION, NAME, InfoBoard, InfoSources
from sonoloop.service.job_board import JobBoard
from sonoloop.service.labelling import DEFAULT_READER, Labelling, Submission
from sonoloop.service.listing import object_json
from sonoloop.service.lock import WorkspaceLock
from sonoloop.service.logs import Logs
from sonoloop.service.outbox import Outbox
from sonoloop.service.quality import QualityService
from sonoloop.service.readers import Readers
from sonoloop.service.scanning import Scanner
from sonoloop.service.scoring import ScoringService
from sonoloop.service.sessions import Sessions
from sonoloop.service.shipped import publish_shipped
from sonoloop.service.strategies import Handed, hand_out
from sonoloop.service.suggestions import Suggestions
from sonoloop.service.training import TrainingService, WorkerCommand, worker_command
from sonoloop.service.triggers import Triggers
from sonoloop.service.uploads import Uploads
from sonoloop.service.versions import Versions
from sonoloop.settings import PipelineSettings, ServerSettings
from sonoloop.store.events import UNKNOWN
from sonoloop.store.store import Store

logger = logging.getLogger(__name__)

FIRST_SCAN_S: Final = 3.0


class Service:
    """One workspace at work.

    Attributes:
        store: Images, annotations, models, jobs.
        source: Where studies come from, and where documents on them go.
        images: Pixels of the store's images.
        inference: The serving pipeline.
        training, batch, scoring, acquisition: Background work.
        sessions: Images of clients that stay outside the store.
        uploads: Images that clients add to it.
        analysis: Findings on images of the store, of sessions, and sent along.
        suggestions: What the models told readers.
        labelling: Keeps what readers submit.
        versions: Which models serve, and who may change that.
        triggers: Trainings that begin by themselves.
        readers: What they do beside: leases, skips, assignments, reviews.
        agreement: How far they agree.
        quality: Looks at labels and flags doubtful ones.
        outbox: Takes what was submitted to the archive.
        job_board: How background work is getting on.
        logs: What the server wrote.
        info: The answer to ``/info``, kept ready.
        dashboard: What the dashboard shows, kept ready.
        accounts: Who may ask, where there are accounts.
        settings: How the server listens and what it accepts.
    """

    def __init__(
        self,
        store: Store,
        source: StudyArchive,
        server: ServerSettings,
        inference: InferenceService,
        training: TrainingService,
    ) -> None:
        self.store, self.source, self.settings = store, source, server
        self.inference, self.training = inference, training
        self.jobs = BackgroundJobs(store, ended=lambda: self.info.touch())
        self.images = ImageLibrary(store, source)
        self.batch = BatchService(store, self.images, inference, self.jobs)
        self.scoring = ScoringService(
            store, self.images, inference, self.jobs, consensus=server.consensus
        )
        self.acquisition = AcquisitionService(store, inference, self.jobs, studies=training.studies)
        self.sessions = Sessions(store.paths.sessions, max_expiry_s=server.session_expiry_s)
        self.uploads = Uploads(store)
        self.suggestions = Suggestions()
        self.analysis = Analysis(
            self.images, self.sessions, inference, store.paths.cache, self.suggestions.remember
        )
        self.labelling = Labelling(store)
        self.versions = Versions(store, inference)
        self.triggers = Triggers(store, training, server.triggers)
        self.readers = Readers(store, self.images, server)
        self.agreement = Agreement(store)
        self.accounts = AccountService(store, login_h=server.login_h)
        self.quality = QualityService(
            store, self.images, inference, self.jobs, ignored=server.quality_ignored
        )
        self.job_board = JobBoard(store.jobs, training.log_tail)
        self.logs = Logs(store.paths.logs)
        self.scanner = Scanner(
            source, store, rescan_s=server.rescan_s, changed=lambda: self._looked()
        )
        self._foreign = ForeignWatch(store, source, server.foreign_seg)
        self.outbox = Outbox(store, source, server.write_back, changed=lambda: self.info.touch())
        self._refused = 0
        self._untold: list[Callable[[str], None]] = []
        sources = InfoSources(
            store,
            inference,
            lambda: self.scanner.state,
            lambda: self._refused,
            self.outbox.summary,
        )
        self.info = InfoBoard(sources)
        self.dashboard = Dashboard(sources, self.agreement)
        self._closing = threading.Event()
        self._caretaker = Caretaker(
            (
                inference.refresh,
                training.supervise,
                self.jobs.tell_endings,
                self.acquisition.keep_up,
                self.triggers.look,
                self._tell_found,
            ),
            rarely=(self.sessions.remove_expired, store.leases.sweep),
            last=self.info.rebuild,
        )
        self._lock: WorkspaceLock | None = None

    @classmethod
    def open(
        cls,
        studies: str,
        workspace: Path,
        server: ServerSettings,
        pipeline: PipelineSettings,
        *,
        shipped_models: Path | None = SHIPPED_MODELS,
        load_pipeline: PipelineLoader | None = None,
        command: WorkerCommand = worker_command,
        database_url: str | None = None,
    ) -> Self:
        """Open a workspace and start to look after it.

        Args:
            studies: Folder of studies or address of a DICOMweb PACS.
            workspace: Folder of everything the server writes.
            server: How it listens and what it accepts.
            pipeline: Thresholds, margins, device.
            shipped_models: Folder with ``segmentation/`` and ``classification/``, published where
                the workspace serves no model yet; None publishes nothing.
            load_pipeline: Makes the pipeline of two model folders; None compiles them.
            command: Starts the process of a training.
            database_url: Address of the database; None is SQLite in the workspace.

        Raises:
            StoreError: If the workspace or the database is unusable or another server uses it.
            ConfigError: If ``studies`` is no folder and no address.
        """
        with contextlib.ExitStack() as undo:
            lock = WorkspaceLock(workspace)
            undo.callback(lock.release)
            store = Store.open(workspace, url=database_url)
            undo.callback(store.close)
            store.claim()
            source = open_source(studies, workspace, cache_mb=server.cache_mb)
            warning = remember_studies(store.paths, studies)
            undo.pop_all()
        if warning:
            logger.warning("%s", warning)
        if shipped_models:
            publish_shipped(store, shipped_models)
        threads = server.training_threads or max(1, (os.cpu_count() or 1) // 2)
        inference = InferenceService(store.models, pipeline, load=load_pipeline)
        training = TrainingService(
            store,
            server,
            studies=studies if is_address(studies) else address_of(studies),
            threads=threads,
            command=command,
            pipeline=pipeline,
        )
        service = cls(store, source, server, inference, training)
        service._lock = lock
        service.start()
        return service

    def start(self) -> None:
        """Load the models, look for studies, take up what an earlier server left."""
        self.jobs.end_leftovers()
        self.inference.refresh()
        self.scanner.start(wait_s=FIRST_SCAN_S)
        self.training.supervise()
        self._count_refusals()
        self.info.rebuild()
        self.quality.start()
        self.outbox.start()
        self._caretaker.start()

    def when_looked(self, tell: Callable[[str], None]) -> None:
        """Have ``tell`` hear once, a sentence each, what the first complete look found."""
        self._untold.append(tell)

    def _tell_found(self) -> None:
        if self._untold and self.scanner.state.scanned_at is not None:
            tell = self._untold.pop()
            for told in found_in(self.training.studies, self.store.overview.found(), self._refused):
                tell(told)

    def next_image(self, strategy: str, *, reader: str, in_archive: bool = False) -> Handed | None:
        """Lend the next image to a reader; None when none waits for an answer of his.

        Args:
            strategy: Its name.
            reader: Who asks; may be empty.
            in_archive: Only images that a viewer of DICOM can open.

        Raises:
            NotFoundError: If there is no strategy of that name.
            BusyError: If others were quicker every time.
        """
        name = reader or DEFAULT_READER
        handed = hand_out(
            self.store, strategy, name, seconds=self.settings.lease_s, in_archive=in_archive
        )
        if handed:
            told = {"ts": int(time.time()), "client_id": reader or None}
            known = dict(handed.image.info.get("strategy") or {})
            self.store.images.update_info(
                handed.image.image_id, {"strategy": known | {strategy: told}}
            )
        return handed

    def save_label(
        self,
        image: str,
        tag: LabelTag,
        submission: Submission,
        *,
        file: tuple[bytes, str] | None,
    ) -> Annotation:
        """Keep what a reader submits; durable when this returns.

        Raises:
            NotFoundError: If there is no such image.
            LabelReadError: If the label does not fit the image.
            InvalidRequestError: If mask and pathology contradict one another.
            StaleRevisionError: If the reader has saved another since; both are kept.
        """
        record = self.images.record(image)
        submission = self.suggestions.added_to(submission, record.image_id)
        annotation = self.labelling.save(record, tag, submission, file=file)
        client = submission.info.get("client_id")
        if isinstance(client, str) and client not in ("", annotation.reader):
            self.store.leases.release(record.image_id, client)  # lent before he told his name
        self._heard_of(annotation.image_id)
        return annotation

    def adjudicate(
        self,
        image: str,
        submission: Submission,
        *,
        file: tuple[bytes, str] | None,
        adopt: int | None = None,
    ) -> Annotation:
        """Settle what readers disagree on, by a new outline or (``adopt``) one of theirs.

        Raises:
            NotFoundError: If there is no such image or revision.
            LabelReadError: If the label does not fit the image.
            InvalidRequestError: If mask and pathology contradict one another.
            StaleRevisionError: If the adjudicator has saved another since; both are kept.
        """
        record = self.images.record(image)
        if adopt is None:
            annotation = self.labelling.save(
                record, "final", submission, file=file, adjudicates=True
            )
        else:
            annotation = self.labelling.adopt(record, adopt, submission)
        self._heard_of(annotation.image_id)
        return annotation

    def review(self, annotation: int, reviewer: str, verdict: Verdict, note: str) -> Review:
        """Decide on a reader's revision; see :meth:`Readers.review`."""
        review = self.readers.review(annotation, reviewer, verdict, note)
        self.quality.look_at(review.image_id)
        self.info.touch()
        return review

    def withdraw(
        self, image_id: str, tag: LabelTag, *, actor: str = UNKNOWN, revision: int | None = None
    ) -> None:
        """Take labels back, here and in the archive; see :meth:`Annotations.withdraw`."""
        self.store.annotations.withdraw(image_id, tag, actor=actor, revision=revision)
        self._heard_of(image_id)

    def _heard_of(self, image_id: str) -> None:
        self.quality.look_at(image_id)
        self.outbox.wake()
        self.info.touch()

    def amend_label(self, image: str, tag: LabelTag, info: Mapping[str, Any]) -> Annotation:
        """Add ``info`` to a label; another pathology or BI-RADS makes a new revision of it.

        Raises:
            NotFoundError: If there is no such image or label.
            InvalidRequestError: If ``info`` is malformed or contradicts the mask.
        """
        annotation = self.labelling.amend(self.images.record(image), tag, info)
        self._heard_of(annotation.image_id)
        return annotation

    def start_training(self, target: str, params: Mapping[str, Any], *, actor: str = "") -> Job:
        """Ask for a training; see :meth:`TrainingService.start`."""
        job = self.training.start(target, params, actor=actor)
        self.info.touch()
        return job

    def stop_training(self) -> list[Job]:
        """End every training that runs or waits; returns them as they ended."""
        stopped = self.training.stop()
        self.info.touch()
        return stopped

    def datastore(self) -> dict[str, Any]:
        """Every image with its labels, as MONAI Label's clients read a datastore."""
        holding = self.store.annotations.holding()
        return {
            "name": NAME,
            "description": DESCRIPTION,
            "images_dir": "",
            "labels_dir": "",
            "objects": {
                record.image_id: object_json(record, holding.get(record.image_id, []))
                for record in self.store.images.list()
            },
        }

    def _looked(self) -> None:
        try:
            self._foreign.look()
            self._count_refusals()
        finally:
            self.info.touch()

    def _count_refusals(self) -> None:
        self._refused = len(self.store.images.refusals())
        self.quality.catch_up()  # a scan may have brought labels along
        self.info.touch()

    @property
    def is_open(self) -> bool:
        """False once :meth:`close` was called."""
        return not self._closing.is_set()

    def close(self) -> None:
        """End what is going on here; trainings live on and are found again at the next start."""
        self._closing.set()
        self.scanner.close()
        self.quality.close()
        self.outbox.close()
        self.jobs.close()
        self._caretaker.close()
        self.store.close()
        if self._lock:
            self._lock.release()
        logger.info("closed the workspace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()
