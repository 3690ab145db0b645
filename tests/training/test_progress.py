"""The curve of a training, as it is told while it runs."""

from sonoloop.training.progress import CURVE_POINTS, Curve, Progress


def progress(epoch: int, *, step: int = 0, loss: float = 0.5) -> Progress:
    return Progress(
        epoch=epoch,
        total_epochs=1000,
        step=step,
        total_steps=10,
        loss=loss,
        metric=None if epoch == 0 else epoch / 1000,
        best_metric=None,
        seconds=1.0,
        eta_seconds=None,
    )


def test_the_loss_is_told_within_epochs_and_the_figure_once_an_epoch() -> None:
    curve = Curve()

    for told in (progress(0, step=5), progress(1), progress(1, step=2, loss=0.4)):
        curve.note(told)

    assert curve.as_json() == {"loss": [[0.5, 0.5], [1, 0.5], [1.2, 0.4]], "metric": [[1, 0.001]]}


def test_a_long_curve_is_thinned_out_and_keeps_its_newest_point() -> None:
    curve = Curve()

    for epoch in range(1, 1000):
        curve.note(progress(epoch, loss=1 / epoch))

    told = curve.as_json()
    assert CURVE_POINTS / 2 < len(told["loss"]) <= CURVE_POINTS
    assert told["loss"][-1] == [999, 0.001]
    assert told["metric"][-1] == [999, 0.999]
    assert [point[0] for point in told["metric"]] == sorted(point[0] for point in told["metric"])
