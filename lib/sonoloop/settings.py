"""Settings: frozen, typed, parsed once; every problem is told at the same time."""

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from sonoloop.parsing import Parsed, outside, raise_if_any

ClassifierTask = Literal["pathology", "benign-malignant"]
"""What a classifier tells apart: all three pathologies, or benign and malignant alone."""

Device = str
"""``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``."""

PREPROCESSING_STEPS: Final = ("strip_border", "despeckle", "equalise")
"""What may be done to an image before a network sees it; see ``transforms.preprocess``."""

ConsensusMethod = Literal["majority", "staple"]
"""How outlines of several readers become one; see ``evaluation.consensus``."""

SegmentationLoss = Literal["dice_ce", "log_cosh_dice", "combo", "boundary"]
"""See ``training.losses``."""


def _options(value: object) -> object:
    """Text such as ``channel=false,channels=[8,16]``, or a JSON object, as names and values."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return _from_json(value)
    pairs = [pair.partition("=") for pair in re.split(r",(?![^\[]*\])", value) if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise PydanticCustomError("options", "takes name=value pairs or a JSON object")
    return {name.strip(): _from_json(text.strip()) for name, _, text in pairs}


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


Options = Annotated[dict[str, bool | int | float | str | list[int]], BeforeValidator(_options)]


def unknown_steps(steps: Iterable[str]) -> list[str]:
    """A sentence for each step of a preprocessing that there is not."""
    problems = []
    for step in steps:
        if step not in PREPROCESSING_STEPS:
            close = difflib.get_close_matches(step, PREPROCESSING_STEPS, n=1)
            hint = (
                f"did you mean {close[0]!r}?"
                if close
                else f"one of {', '.join(PREPROCESSING_STEPS)}"
            )
            problems.append(f"unknown preprocessing step {step!r}; {hint}")
    return problems


def _device(value: str) -> str | None:
    known = value in ("auto", "cpu", "cuda") or (
        value.startswith("cuda:") and value.removeprefix("cuda:").isdigit()
    )
    return None if known else f"device must be auto, cpu, cuda or cuda:<n>, got {value!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSettings(Parsed):
    """How one image becomes lesion masks and a pathology estimate.

    Attributes:
        mask_threshold: Lesion probability at and above which a pixel is lesion, in (0, 1).
        min_component_fraction: Components smaller than this share of the image are dropped; the
            smallest lesion in BUS-BRA folds 1-3 covers 0.6 % of its image.
        min_relative_component: Components smaller than this share of the largest are dropped.
            This share and the threshold were chosen on validation patients (docs/models.md).
        normal_veto: Marks whose crop the classifier calls normal with at least this probability
            are dropped; 1 is off.
        max_lesions: Only so many components are kept, the largest first.
        crop_margin: Margin around a lesion before classification, as a share of its longer side.
        test_time_flips: Average both networks over the image and its left-right mirror.
        device: Where networks run.
        threads: Threads of a CPU inference; 0 leaves the choice to the machine.
    """

    mask_threshold: float = 0.4
    min_component_fraction: float = 0.001
    min_relative_component: float = 0.5
    normal_veto: float = 1.0
    max_lesions: int = 8
    crop_margin: float = 0.25
    test_time_flips: bool = True
    device: Device = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        raise_if_any(
            [
                outside("mask_threshold", self.mask_threshold, 0.01, 0.99),
                outside("min_component_fraction", self.min_component_fraction, 0, 0.5),
                outside("min_relative_component", self.min_relative_component, 0, 1),
                outside("normal_veto", self.normal_veto, 0, 1),
                outside("max_lesions", self.max_lesions, 1, 100),
                outside("crop_margin", self.crop_margin, 0, 2),
                outside("threads", self.threads, 0, 1024),
                _device(self.device),
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings(Parsed):
    """How one model is trained; the same for the command line and the server.

    Attributes:
        architecture: Name the network builder knows; empty for the default of the task.
        architecture_options: Of that architecture, such as ``channel=false,dropout=0.3``.
        input_size_px: Side of the square the network sees, in pixels; a multiple of 32.
        max_epochs: Passes over the training set, at most.
        batch_size: Images a step.
        learning_rate: Peak rate of AdamW, reached after the warm-up, then cosine to zero.
        weight_decay: Of AdamW.
        early_stop_patience: Epochs without a better validation figure before the training ends.
        keep: The weights of the ``best`` epoch by the validation figure, or of the ``last``: with
            few validation patients the best figure is mostly luck.
        validation_fraction: Share of the patients held out, chosen by hash of the patient.
        validation_part: Which part of that share, from 0: members of an ensemble may each hold out
            others.
        ema_decay: Decay of the exponential moving average of the weights.
        warm_start: Begin from the serving (or given) model instead of from random weights.
        initial_weights: ``imagenet`` fills the encoder with weights this machine has; a warm start
            needs none.
        allow_download: Let ``imagenet`` fetch weights that are not here.
        loss: What the training of a segmenter makes small.
        min_normal_share: Least share of images without lesion in an epoch of a segmenter; they are
            shown more than once to reach it.
        task: Of a classifier: all three pathologies, or benign against malignant alone.
        reader_weight: Share of a classifier's target that a reader's BI-RADS category gives, where
            there is one: how often it turned out to be each pathology.
        crop: What a classifier sees: the lesion with its margin, or the whole image.
        crop_margin: Margin around the lesion, as a share of its longer side.
        crop_jitter: Every side of a training crop moves at random by up to this share of the
            lesion's longer side, as the crop around a predicted outline does; 0 is off.
        preprocessing: Steps every image goes through before the network, in order, such as
            ``strip_border,equalise``; saved with the model, which asks for them ever after.
        augment: Random flips, affine maps, gamma, noise and blur.
        augment_strength: How far these go, as a multiple of what is usual.
        seed: Of weights, shuffling and augmentation.
        device: Where the training runs.
        threads: CPU threads; 0 leaves the choice to the machine.
        precision: ``auto`` is bf16 where it makes the training faster, float32 elsewhere.
        tracking: Where curves are recorded.
    """

    architecture: str = ""
    architecture_options: Options = dataclasses.field(default_factory=dict)
    input_size_px: int = 256
    max_epochs: int = 30
    batch_size: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    early_stop_patience: int = 8
    keep: Literal["best", "last"] = "best"
    validation_fraction: float = 0.15
    validation_part: int = 0
    ema_decay: float = 0.995
    warm_start: bool = True
    initial_weights: Literal["random", "imagenet"] = "random"
    allow_download: bool = False
    loss: SegmentationLoss = "dice_ce"
    min_normal_share: float = 0.0
    task: ClassifierTask = "pathology"
    reader_weight: float = 0.0
    crop: Literal["lesion", "whole"] = "lesion"
    crop_margin: float = 0.25
    crop_jitter: float = 0.0
    preprocessing: tuple[str, ...] = ()
    augment: bool = True
    augment_strength: float = 1.0
    seed: int = 0
    device: Device = "auto"
    threads: int = 0
    precision: Literal["auto", "float32", "bf16"] = "auto"
    tracking: Literal["mlflow", "none"] = "mlflow"

    def __post_init__(self) -> None:
        raise_if_any(
            [
                None
                if 64 <= self.input_size_px <= 1024 and self.input_size_px % 32 == 0
                else f"input_size_px must be a multiple of 32 in [64, 1024], "
                f"got {self.input_size_px}",
                outside("max_epochs", self.max_epochs, 1, 10_000),
                outside("batch_size", self.batch_size, 1, 1024),
                outside("learning_rate", self.learning_rate, 1e-7, 1),
                outside("weight_decay", self.weight_decay, 0, 1),
                outside("early_stop_patience", self.early_stop_patience, 1, 10_000),
                outside("validation_fraction", self.validation_fraction, 0.02, 0.5),
                None
                if 0 <= self.validation_part * self.validation_fraction < 1
                else f"validation_part must leave a share of {self.validation_fraction} inside of "
                f"the whole, got {self.validation_part}",
                outside("augment_strength", self.augment_strength, 0.1, 4),
                outside("min_normal_share", self.min_normal_share, 0, 0.9),
                outside("ema_decay", self.ema_decay, 0.01, 0.99999),
                outside("crop_margin", self.crop_margin, 0, 2),
                outside("reader_weight", self.reader_weight, 0, 1),
                outside("crop_jitter", self.crop_jitter, 0, 0.5),
                *unknown_steps(self.preprocessing),
                outside("seed", self.seed, 0, 2**31 - 1),
                outside("threads", self.threads, 0, 1024),
                _device(self.device),
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings(Parsed):
    """When a newly trained model takes the place of the serving one.

    The margins are how much worse the candidate may be at the lower end of the 95 % interval.

    Attributes:
        locked_share: Share of the patients whose images are never trained on, chosen by hash of
            the patient; a patient keeps his place when this changes.
        gate_min_patients: Fewer locked patients are not enough evidence.
        dice_margin: Of the mean Dice of the locked lesions.
        unmarked_margin: Of the share of normal images left unmarked.
        auc_margin: Of the patient AUC of malignancy.
        brier_margin: Of the Brier score of the pathology, in [0, 1].
        suspect_drop: When the serving model does worse than its own figure by more than this on
            new locked labels, the labels are suspect.
    """

    locked_share: float = 0.15
    gate_min_patients: int = 15
    dice_margin: float = 0.02
    unmarked_margin: float = 0.05
    auc_margin: float = 0.05
    brier_margin: float = 0.02
    suspect_drop: float = 0.2

    def __post_init__(self) -> None:
        raise_if_any(
            [
                outside("locked_share", self.locked_share, 0.02, 0.5),
                outside("gate_min_patients", self.gate_min_patients, 2, 10_000),
                outside("dice_margin", self.dice_margin, 0, 0.5),
                outside("unmarked_margin", self.unmarked_margin, 0, 1),
                outside("auc_margin", self.auc_margin, 0, 0.5),
                outside("brier_margin", self.brier_margin, 0, 0.5),
                outside("suspect_drop", self.suspect_drop, 0.05, 1),
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTriggers(Parsed):
    """When the server begins a training by itself; each is off at 0.

    Attributes:
        retrain_after_labels: Once so many images were labelled anew since the last training.
        retrain_every_h: So many hours after the last training, if anything was labelled since.
    """

    retrain_after_labels: int = 0
    retrain_every_h: float = 0.0

    def __post_init__(self) -> None:
        raise_if_any(
            [
                outside("retrain_after_labels", self.retrain_after_labels, 0, 1_000_000),
                outside("retrain_every_h", self.retrain_every_h, 0, 24 * 365),
            ]
        )


ForeignMode = Literal["off", "draft", "trusted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBackSettings(Parsed):
    """What goes back to the archive the studies come from.

    Attributes:
        write_seg: The outline of every submitted reading, as DICOM SEG.
        write_sr: What it says, as DICOM SR.
        write_drafts: What the models said too, as drafts that nobody has verified.
        seg_geometry: ``synthetic`` invents a plane for images that have none, without which
            viewers show no segmentation; ``none`` leaves it out, as the standard allows.
    """

    write_seg: bool = True
    write_sr: bool = True
    write_drafts: bool = False
    seg_geometry: Literal["synthetic", "none"] = "synthetic"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings(Parsed):
    """How the server listens and what it accepts.

    Attributes:
        host: Address to bind; loopback unless accounts protect the server.
        port: TCP port.
        max_upload_mb: Largest request body, in megabytes of 2**20 bytes.
        session_expiry_s: Uploaded sessions live this long without being touched.
        rescan_s: Seconds between two looks for new studies; 0 looks only at the start. Orthanc
            tells of new studies by itself.
        cache_mb: Images fetched from a PACS are kept up to so many megabytes of 2**20 bytes;
            beyond, those not asked for the longest go first.
        training_threads: CPU threads a background training may use; 0 is half of the cores.
        stop_grace_s: Seconds a training gets to write its checkpoint before it is killed.
        quality_ignored: Kinds of doubt about labels that are not raised, such as
            ``mask_without_class`` where nobody is to tell classes.
        lease_s: Seconds an image stays with the reader it was handed to; then others may have it.
        consensus: How outlines of several readers become the one a training learns from.
        login_h: Hours a log-in lasts, where there are accounts.
        gate: When a new model takes the place of the serving one.
        triggers: When a training begins by itself.
        write_back: What goes back to the archive.
        foreign_seg: Segmentations of other programs in the archive become annotations: ``draft``,
            ``trusted`` (they count as submitted), or not at all.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    max_upload_mb: int = 200
    session_expiry_s: int = 3600
    rescan_s: int = 30
    cache_mb: int = 20 * 1024
    training_threads: int = 0
    stop_grace_s: float = 5.0
    quality_ignored: tuple[str, ...] = ()
    lease_s: float = 1800.0
    consensus: ConsensusMethod = "majority"
    login_h: float = 12.0
    gate: GateSettings = GateSettings()
    triggers: TrainingTriggers = TrainingTriggers()
    write_back: WriteBackSettings = WriteBackSettings()
    foreign_seg: ForeignMode = "off"

    def __post_init__(self) -> None:
        raise_if_any(
            [
                outside("port", self.port, 0, 65535),
                outside("max_upload_mb", self.max_upload_mb, 1, 10_000),
                outside("session_expiry_s", self.session_expiry_s, 1, 7 * 86400),
                outside("rescan_s", self.rescan_s, 0, 86400),
                outside("cache_mb", self.cache_mb, 100, 100_000_000),
                outside("training_threads", self.training_threads, 0, 1024),
                outside("stop_grace_s", self.stop_grace_s, 0, 600),
                outside("lease_s", self.lease_s, 1, 7 * 86400),
                outside("login_h", self.login_h, 0.01, 24 * 30),
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSettings(Parsed):
    """Where a server that MONAI Label starts keeps its things, and what stands in front of it.

    Attributes:
        workspace: Folder of everything the server writes; one server each.
        behind_proxy: The operator vouches that only a proxy, which knows its users, reaches the
            port; without it only this machine is answered.
    """

    workspace: Path = Path("workspace")
    behind_proxy: bool = False
