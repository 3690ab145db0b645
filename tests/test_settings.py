import pytest

from sonoloop.errors import ConfigError
from sonoloop.settings import PipelineSettings, ServerSettings, TrainingSettings

KINDS = [PipelineSettings, TrainingSettings, ServerSettings]


def test_text_from_a_command_line_becomes_typed_values() -> None:
    settings = TrainingSettings.from_conf(
        {"max_epochs": "3", "learning_rate": "0.01", "augment": "false", "architecture": "unet"}
    )

    assert (settings.max_epochs, settings.learning_rate) == (3, 0.01)
    assert (settings.augment, settings.architecture) == (False, "unet")


@pytest.mark.parametrize("kind", KINDS)
def test_settings_survive_being_written_down(
    kind: type[PipelineSettings | TrainingSettings | ServerSettings],
) -> None:
    assert kind.from_conf(kind().as_dict()) == kind()


def test_a_misspelt_key_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'mask_threshold'"):
        PipelineSettings.from_conf({"mask_treshold": "0.4"})


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        TrainingSettings.from_conf({"max_epochs": "many", "colour": "red"})

    assert len(caught.value.problems) == 2
    assert "max_epochs: input should be a valid integer" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("mask_threshold", 1.5, r"in \[0.01, 0.99\], got 1.5"),
        ("device", "tpu", "must be auto, cpu, cuda or cuda:<n>, got 'tpu'"),
        ("device", "cuda:", "must be auto, cpu, cuda"),
        ("max_lesions", 0, r"in \[1, 100\], got 0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_rule(name: str, value: object, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        PipelineSettings.from_conf({name: value})


@pytest.mark.parametrize("side", [0, 63, 100, 2048])
def test_a_network_input_is_a_multiple_of_32(side: int) -> None:
    with pytest.raises(ConfigError, match=f"multiple of 32 in .*, got {side}"):
        TrainingSettings(input_size_px=side)


def test_a_choice_is_one_of_its_words() -> None:
    with pytest.raises(ConfigError, match="precision: input should be 'auto', 'float32' or 'bf16'"):
        TrainingSettings.from_conf({"precision": "int8"})


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("channel=false, spatial=true", {"channel": False, "spatial": True}),
        ("dropout=0.3,channels=[4, 8, 16]", {"dropout": 0.3, "channels": [4, 8, 16]}),
        ('{"channels": [4, 8], "norm": "batch"}', {"channels": [4, 8], "norm": "batch"}),
        ("norm=batch", {"norm": "batch"}),
    ],
)
def test_options_of_an_architecture_are_pairs_or_json(
    text: str, options: dict[str, object]
) -> None:
    settings = TrainingSettings.from_conf({"architecture_options": text})

    assert settings.architecture_options == options
    assert TrainingSettings.from_conf(settings.as_dict()) == settings


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("channel", "takes name=value pairs or a json object, got 'channel'"),
        ('{"channel": ', "input should be a valid dictionary"),
        ('{"channel": null}', "input should be a valid"),
    ],
)
def test_malformed_options_are_refused_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(ConfigError, match=f"architecture_options: {rule}"):
        TrainingSettings.from_conf({"architecture_options": text})
