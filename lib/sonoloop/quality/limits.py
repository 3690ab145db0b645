"""From where on a label is doubtful."""

from dataclasses import dataclass, fields

from sonoloop.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a label may be without being called doubtful; shares are in (0, 1).

    Attributes:
        model_dice: Least Dice with the serving model's mask. Low on purpose: what a model gets
            wrong is what it has to learn from, so only an outline of something else is doubtful.
        reader_dice: Least Dice with another reader's mask of the same image, and of two
            near-duplicates' masks. Experts agree in Fleiss kappa .78 (Webb 2021), and in an
            overlap of .73 to .80.
        distance_share: Largest HD95 between two masks, as a share of the image's diagonal.
        fragment_share: Components smaller than this share of the image are fragments; as
            ``PipelineSettings.min_component_fraction``: the smallest lesion in BUS-BRA folds 1-3
            covers 0.6 % of its image.
        whole_share: A mask that covers more of its image is no outline of a lesion.
        frame_share: Largest share of a mask that may lie on the black frame of the picture.
        duplicate_correlation: Images whose normalised cross-correlation at 64 x 64 pixels is
            above this are near-duplicates. At 0.95 no two of 1,492 images of BUS-BRA are, and
            158 of 458 images of BUSI have one.
    """

    model_dice: float = 0.3
    reader_dice: float = 0.5
    distance_share: float = 0.3
    fragment_share: float = 0.001
    whole_share: float = 0.7
    frame_share: float = 0.5
    duplicate_correlation: float = 0.95

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        problems = [
            f"{name} must be between 0 and 1, got {value}"
            for name, value in values.items()
            if not 0 < value < 1
        ]
        if problems:
            raise ConfigError(problems)
