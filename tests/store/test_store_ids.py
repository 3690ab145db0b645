import pytest

from sonoloop.errors import InvalidIdError
from sonoloop.store.ids import validate_image_id, validate_tag


@pytest.mark.parametrize("text", ["1.2.840.113619.2.55", "1.2_f12", "scan-1-94fbd637", "a" * 128])
def test_safe_names_are_ids(text: str) -> None:
    assert validate_image_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "a..b",
        ".hidden",
        "-x",
        "_x",
        "a b",
        "ä",
        "a\n",
        "a\0",
        "a" * 129,
        "%2e%2e",
        "C:x",
        "~",
        "1.2\n",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdError, match="not an identifier"):
        validate_image_id(text)


def test_a_long_id_is_not_repeated_at_length() -> None:
    with pytest.raises(InvalidIdError) as caught:
        validate_image_id("/" * 100_000)

    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("tag", ["final", "original"])
def test_two_tags_are_known(tag: str) -> None:
    assert validate_tag(tag) == tag


@pytest.mark.parametrize("tag", ["", "Final", "version_1", "../final", "final "])
def test_other_tags_are_refused(tag: str) -> None:
    with pytest.raises(InvalidIdError, match="unknown label tag"):
        validate_tag(tag)
