"""What may be said with ``--conf`` and with MONAI Label's environment variables."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from monailabel.config import Settings

from sonoloop.errors import ConfigError
from sonoloop.tasks.conf import OPTIONS, SET_ASIDE, parse_conf
from sonoloop.tasks.environment import NOT_HONOURED, OURS, settle

README = Path(__file__).parents[2] / "apps" / "breast_ultrasound" / "README.md"


def test_each_setting_reaches_its_group() -> None:
    settings = parse_conf({"workspace": "w", "max_upload_mb": "7", "mask_threshold": "0.4"})

    assert str(settings.place.workspace) == "w"
    assert settings.server.max_upload_mb == 7
    assert settings.pipeline.mask_threshold == 0.4


def test_keys_of_monai_label_are_set_aside() -> None:
    assert parse_conf(dict.fromkeys(SET_ASIDE, "true")) == parse_conf({})


def test_a_misspelt_key_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="'mask_treshold'; did you mean 'mask_threshold'"):
        parse_conf({"mask_treshold": "0.4"})


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_conf({"wrkspace": "w", "rescan_s": "-1", "device": "tpu"})

    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_options_of_the_command_are_no_settings(name: str) -> None:
    with pytest.raises(ConfigError, match=f"option of the command: --{name} 9"):
        parse_conf({name: "9"})


def test_the_settings_of_monai_label_that_would_harm_are_overruled() -> None:
    settings = Settings(_env_file=None)
    wanted = {**OURS, "MONAI_LABEL_DICOMWEB_SEARCH_FILTER": {"Modality": "US"}}

    settle(settings)

    assert {name: getattr(settings, name) for name in OURS} == wanted
    assert "*.dcm" in settings.MONAI_LABEL_DATASTORE_FILE_EXT
    assert not settings.MONAI_LABEL_AUTO_UPDATE_SCORING


@pytest.mark.parametrize(
    ("name", "value"),
    [("MONAI_LABEL_AUTH_ENABLE", True), ("MONAI_LABEL_TASKS_TRAIN", False)],
)
def test_what_we_would_silently_not_do_is_refused(name: str, value: bool) -> None:
    settings = Settings(_env_file=None, **{name: value})

    with pytest.raises(ConfigError, match=f"{name}={value} is not supported"):
        settle(settings)


def test_every_setting_we_touch_exists() -> None:
    defaults = Settings(_env_file=None)

    assert all(hasattr(defaults, name) for name in (*OURS, *NOT_HONOURED))
    settle(SimpleNamespace(**defaults.model_dump()))


def test_the_readme_lists_every_setting_with_its_default() -> None:
    settings = parse_conf({})
    groups = (settings.place, settings.server, settings.pipeline)
    defaults = {name: str(value) for group in groups for name, value in group.as_dict().items()}
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", README.read_text(), flags=re.MULTILINE)

    assert dict(rows) == {name: text for name, text in defaults.items() if name not in OPTIONS}
