from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image
from scipy.stats import binomtest

from sonoloop.evaluation.cases import Case
from sonoloop.evaluation.plots.agreement import running_quartiles, scanner_plot, size_plot
from sonoloop.evaluation.plots.draw import draw_report
from sonoloop.evaluation.plots.gallery import Tile, chosen_cases, gallery_plot
from sonoloop.evaluation.plots.reliability import reliability_plot, wilson
from sonoloop.evaluation.plots.risk import risk_plot
from sonoloop.evaluation.plots.roc import roc_plot
from sonoloop.labels import Pathology

MakeCase = Callable[..., Case]
FEW = 40


def legend(axis: Axes) -> str:
    figure = axis.get_figure(root=True)
    assert figure is not None
    told = axis.get_legend() or figure.legends[0]
    return "\n".join(text.get_text() for text in told.get_texts())


def tile() -> Tile:
    mask = np.zeros((30, 40), dtype=bool)
    mask[:12, 5:20] = True  # touches the border
    return Tile(caption="a", pixels=np.full((30, 40), 90, np.uint8), pred=mask, truth=~mask)


def test_a_report_has_every_plot_as_a_picture(many_cases: list[Case], tmp_path: Path) -> None:
    written = draw_report(tmp_path, many_cases, {"best": [tile()]}, threshold=0.5, resamples=FEW)

    assert {path.name for path in written} == {
        "overlays.png", "roc.png", "reliability.png", "dice_by_size.png", "dice_by_scanner.png",
        "risk_coverage.png",
    }  # fmt: skip
    for path in written:
        with Image.open(path) as picture:
            assert picture.width > 500
            assert len(picture.convert("L").getcolors(256) or []) > 10


def test_plots_of_an_earlier_report_do_not_stay(make_case: MakeCase, tmp_path: Path) -> None:
    (tmp_path / "roc.png").write_bytes(b"of an earlier report")

    written = draw_report(tmp_path, [make_case(pathology=None)], {}, threshold=0.5, resamples=FEW)

    assert not (tmp_path / "roc.png").exists()
    assert {path.name for path in written} == {"dice_by_size.png", "dice_by_scanner.png"}


def test_torn_images_are_in_no_plot(make_case: MakeCase, tmp_path: Path) -> None:
    torn = make_case(label_conflict=True)

    assert draw_report(tmp_path, [torn], {}, threshold=0.5, resamples=FEW) == []


def test_the_roc_shows_readers_and_operating_point(many_cases: list[Case]) -> None:
    figure = roc_plot(many_cases, threshold=0.4, resamples=FEW)

    assert figure is not None
    (axis,) = figure.axes
    assert "61 patients, 20 malignant" in axis.get_title(loc="left")
    assert "readers' BI-RADS (60 patients), AUC" in legend(axis)
    assert "operating point 0.400: sensitivity" in legend(axis)
    assert {text.get_text() for text in axis.texts} == {"≥ 3", "≥ 4A", "≥ 4B", "≥ 5"}


def test_the_roc_needs_both_classes(make_case: MakeCase) -> None:
    assert roc_plot([make_case(), make_case(patient="b")], threshold=0.5, resamples=FEW) is None


def test_the_roc_needs_no_readers(many_cases: list[Case], make_case: MakeCase) -> None:
    unread = [make_case(**{**case.as_row(), "birads": None}) for case in many_cases]

    figure = roc_plot(unread, threshold=0.4, resamples=FEW)

    assert figure is not None
    assert "BI-RADS" not in legend(figure.axes[0])


def test_reliability_is_drawn_before_and_after_scaling(many_cases: list[Case]) -> None:
    scaled = reliability_plot(many_cases, temperature=1.5, resamples=FEW)
    plain = reliability_plot(many_cases, temperature=1.0, resamples=FEW)

    assert scaled is not None
    assert plain is not None
    assert "before scaling (temperature 1.50): ECE" in legend(scaled.axes[0])
    assert "before scaling" not in legend(plain.axes[0])
    assert sum(int(text.get_text()) for text in plain.axes[0].texts) == len(many_cases)


@pytest.mark.parametrize(("hits", "size"), [(0, 7), (3, 10), (40, 40)])
def test_the_score_interval_is_that_of_scipy(hits: int, size: int) -> None:
    expected = binomtest(hits, size).proportion_ci(method="wilson")

    assert wilson(hits / size, size) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_untouched_lesions_are_marked_in_the_size_plot(make_case: MakeCase) -> None:
    cases = [make_case(patient=str(i), dice=0.8, lesion_share=0.01 * (i + 1)) for i in range(9)]
    missed = make_case(patient="m", dice=0.0, detected=False, lesion_share=0.02)

    figure = size_plot([*cases, missed], resamples=FEW)

    assert figure is not None
    assert "lesion not touched (1)" in legend(figure.axes[0])
    assert "10 lesion images" in figure.axes[0].get_title(loc="left")


def test_the_running_median_slides_over_ranks() -> None:
    key = np.arange(20.0)

    middle, low, centre, high = running_quartiles(key, key * 2)

    assert centre == pytest.approx(middle * 2)
    assert (low < centre).all()
    assert (centre < high).all()


def test_each_scanner_is_told_with_its_numbers(many_cases: list[Case]) -> None:
    figure = scanner_plot(many_cases, resamples=FEW)

    assert figure is not None
    told = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [label.split("\n")[:2] for label in told] == [
        ["Beta", "images: 60, patients: 30"],
        ["Alpha", "images: 60, patients: 30"],
    ]


def test_doubt_in_masks_alone_is_one_panel(make_case: MakeCase) -> None:
    cases = [make_case(patient=str(i), dice=i / 10, uncertainty=1 - i / 10) for i in range(10)]

    figure = risk_plot(cases, threshold=0.5, resamples=FEW)

    assert figure is not None
    (axis,) = figure.axes
    assert axis.get_title(loc="left").startswith("10 masks, 7 with Dice below 0.7\nAUROC 1.000")


def test_doubt_of_one_patient_is_drawn_without_a_band(make_case: MakeCase) -> None:
    cases = [make_case(dice=0.9, uncertainty=0.1), make_case(dice=0.2, uncertainty=0.8)]

    figure = risk_plot(cases, threshold=0.5, resamples=FEW)

    assert figure is not None
    assert not figure.axes[0].collections


def test_without_doubt_there_is_no_risk_plot(make_case: MakeCase) -> None:
    assert risk_plot([make_case()], threshold=0.5, resamples=FEW) is None


@pytest.mark.parametrize("number", [1, 2, 3, 5, 12, 40])
def test_no_image_stands_in_two_rows_of_the_gallery(make_case: MakeCase, number: int) -> None:
    cases = [make_case(image_id=str(i), dice=i / number) for i in range(number)]

    rows = chosen_cases(cases)

    names = [case.image_id for row in rows.values() for case in row]
    assert len(names) == len(set(names)) == min(number, 12)
    assert rows["best"][0].image_id == str(number - 1)
    if number > 1:
        assert rows["worst"][-1].image_id == "0"


def test_false_marks_on_normal_images_are_shown(make_case: MakeCase) -> None:
    normal = {"pathology": Pathology.NORMAL, "has_lesion": False, "dice": None}

    rows = chosen_cases([make_case(**normal), make_case(**normal, marked=False)])

    assert {name: len(row) for name, row in rows.items()} == {"normal, but marked": 1}


def test_the_gallery_names_both_outlines() -> None:
    figure = gallery_plot({"best": [tile()]})

    assert figure is not None
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["reader (truth)", "model"]
    assert gallery_plot({}) is None
