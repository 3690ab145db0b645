"""Image formation keeps to the physics it cites."""

from collections.abc import Callable

import numpy as np
import pytest

from sonoloop.phantoms.fields import Field
from sonoloop.phantoms.formation import Probe, envelope, log_compress, scan_convert
from sonoloop.phantoms.tissue import Tissue

PROBE = Probe(frequency_mhz=7.0, noise_db=-200.0)
Uniform = Callable[..., Tissue]


def echoes(tissue: Tissue, probe: Probe = PROBE, seed: int = 0) -> Field:
    return envelope(tissue, 0.15, probe, np.random.default_rng(seed))


def width_of_autocorrelation(rows: Field) -> float:
    """Lag in samples at which the mean autocorrelation along the last axis halves."""
    centred = rows - rows.mean()
    lags = [float((centred[:, : -lag or None] * centred[:, lag:]).mean()) for lag in range(40)]
    return float(np.argmax(np.asarray(lags) < lags[0] / 2))


def test_fully_developed_speckle_has_the_contrast_of_a_rayleigh_envelope(uniform: Uniform) -> None:
    amplitude = echoes(uniform(300, 300))

    assert amplitude.mean() / amplitude.std() == pytest.approx(1.91, abs=0.06)


def test_log_compressed_speckle_deviates_by_the_textbook_figure(uniform: Uniform) -> None:
    level_db = 20 * np.log10(echoes(uniform(300, 300)))

    assert level_db.std() == pytest.approx(5.57, abs=0.25)


def test_brightness_does_not_depend_on_depth_when_the_gain_fits(uniform: Uniform) -> None:
    amplitude = echoes(uniform(300, 300))

    upper, lower = np.array_split(amplitude, 2)
    assert lower.mean() / upper.mean() == pytest.approx(1.0, abs=0.06)


def test_attenuation_beyond_the_gain_costs_its_decibels(uniform: Uniform) -> None:
    amplitude = echoes(uniform(200, 200, attenuation=PROBE.gain_attenuation + 0.5))

    first, last = (amplitude[part].mean() for part in (slice(0, 200), slice(-200, None)))
    centimetres = (amplitude.shape[0] - 200) * PROBE.sample_mm / 10
    assert 20 * np.log10(last / first) == pytest.approx(-2 * 7.0 * 0.5 * centimetres, abs=1.5)


def test_the_beam_is_narrowest_at_the_focus(uniform: Uniform) -> None:
    amplitude = echoes(uniform(300, 300))
    focus, deep = (round(depth / PROBE.sample_mm) for depth in (15, 42))

    at_focus, away = (
        width_of_autocorrelation(amplitude[row - 120 : row + 120]) for row in (focus, deep)
    )

    assert away > 1.5 * at_focus


def test_speckle_is_finer_along_the_beam_than_across(uniform: Uniform) -> None:
    amplitude = echoes(uniform(200, 200))

    along = width_of_autocorrelation(amplitude.T) * PROBE.sample_mm
    across = width_of_autocorrelation(amplitude) * PROBE.line_spacing_mm

    assert along < across


def test_noise_takes_over_where_no_echo_returns(uniform: Uniform) -> None:
    deaf = uniform(200, 200, attenuation=6.0)

    silent = echoes(deaf)[-100:].mean()
    noisy = echoes(deaf, Probe(frequency_mhz=7.0, noise_db=-60.0))[-100:].mean()

    assert noisy > 10 * silent


def test_compression_maps_the_range_to_black_and_white() -> None:
    amplitude = np.array([[2.0, 1.0, 10 ** (-30 / 20), 10 ** (-60 / 20), 0.0]])

    brightness = log_compress(amplitude, dynamic_range_db=60, white=1.0)

    np.testing.assert_allclose(brightness, [[1.0, 1.0, 0.5, 0.0, 0.0]], atol=1e-12)


def test_scan_conversion_keeps_positions() -> None:
    brightness = np.zeros((800, 100))
    brightness[400:480, 50:60] = 1.0

    image = scan_convert(brightness, (100, 200))

    rows, columns = np.nonzero(image > 0.5)
    assert rows.mean() == pytest.approx(54.5, abs=0.6)
    assert columns.mean() == pytest.approx(109.5, abs=0.6)
