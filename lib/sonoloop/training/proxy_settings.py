"""Settings of the light network that simulations train in place of the real one."""

from dataclasses import dataclass

from sonoloop.parsing import Parsed, outside, raise_if_any
from sonoloop.settings import unknown_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings(Parsed):
    """How a proxy is trained.

    Attributes:
        encoder: Frozen encoder: ``auto``, ``efficientnet_lite0``, ``mobilenetv2`` or ``random``.
        size_px: Side of the square image the encoder sees; a multiple of 32.
        views: Views of every training image whose features are computed once: the image, its
            mirror image, and random ones.
        members: Decoders that start from different weights, of which the mean is taken; what
            they disagree about is what BALD asks for.
        widths: Channels of the decoder at 1/16, 1/8 and 1/4 of the side.
        steps: Training steps at least.
        passes: Passes over the training images at least, so that many labels are learnt as well
            as few.
        batch_size: Images a step.
        learning_rate: Largest of the one-cycle schedule.
        weight_decay: Of AdamW.
        inverse_penalty: C of the logistic regression that tells pathologies apart.
        preprocessing: Steps before everything, see ``transforms.preprocess``.
        threads: CPU threads; 0 leaves the choice to the machine.
    """

    encoder: str = "auto"
    size_px: int = 128
    views: int = 6
    members: int = 2
    widths: tuple[int, int, int] = (48, 32, 16)
    steps: int = 300
    passes: float = 10.0
    batch_size: int = 8
    learning_rate: float = 0.01
    weight_decay: float = 0.01
    inverse_penalty: float = 0.003
    preprocessing: tuple[str, ...] = ()
    threads: int = 1

    def __post_init__(self) -> None:
        raise_if_any(
            [
                None
                if 64 <= self.size_px <= 512 and self.size_px % 32 == 0
                else f"size_px must be a multiple of 32 in [64, 512], got {self.size_px}",
                outside("views", self.views, 1, 64),
                outside("members", self.members, 1, 16),
                outside("smallest of widths", min(self.widths), 1, 1024),
                outside("steps", self.steps, 1, 100_000),
                outside("passes", self.passes, 0, 10_000),
                outside("batch_size", self.batch_size, 2, 1024),
                outside("learning_rate", self.learning_rate, 1e-6, 1),
                outside("weight_decay", self.weight_decay, 0, 1),
                outside("inverse_penalty", self.inverse_penalty, 1e-8, 1e4),
                outside("threads", self.threads, 0, 1024),
                *unknown_steps(self.preprocessing),
            ]
        )

    def steps_for(self, images: int) -> int:
        """Training steps for so many images."""
        return max(self.steps, round(self.passes * images / self.batch_size))
