"""How a pulse-echo scanner turns tissue into a B-mode image.

The received signal is the tissue's scatterers convolved with the scanner's point spread function
(J. Jensen, "A model for the propagation and scattering of ultrasound in tissue", J. Acoust. Soc.
Am. 89, 1991, the model behind Field II), here separable: a Gaussian-modulated pulse along the
beam, and across it a Gaussian beam whose width grows away from the focus. With many scatterers
in a resolution cell the envelope is Rayleigh distributed, its mean over its standard deviation
1.91 (C. Burckhardt, "Speckle in ultrasound B-mode scans", IEEE Trans. Sonics Ultrason. 25, 1978).
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import next_fast_len
from scipy.ndimage import convolve1d, gaussian_filter1d, map_coordinates
from scipy.signal import hilbert

from sonoloop.phantoms.fields import Field
from sonoloop.phantoms.tissue import Tissue

SOUND_MM_PER_US = 1.54
"""Speed of sound that scanners assume in soft tissue."""

_SAMPLES_PER_CYCLE = 5
_BEAM_ZONES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A linear array and its settings.

    Attributes:
        frequency_mhz: Centre frequency of the pulse.
        bandwidth: Relative, between the points of half amplitude.
        f_number: Focal depth over aperture; beam width at the focus is wavelength times it.
        focus_mm: Depth of the transmit focus.
        depth_of_field_mm: Distance from the focus at which the beam is sqrt(2) times as wide.
        line_spacing_mm: Between scan lines.
        gain_attenuation: What the time-gain compensation makes good, in dB / cm / MHz.
        noise_db: Electronic noise before time-gain compensation, relative to fat.
    """

    frequency_mhz: float
    bandwidth: float = 0.6
    f_number: float = 2.6
    focus_mm: float = 15.0
    depth_of_field_mm: float = 9.0
    line_spacing_mm: float = 0.15
    gain_attenuation: float = 0.62
    noise_db: float = -62.0

    @property
    def sample_mm(self) -> float:
        """Depth between samples of the received signal."""
        return SOUND_MM_PER_US / (2 * self.frequency_mhz * _SAMPLES_PER_CYCLE)

    def beam_sigma_mm(self, depth_mm: Field) -> Field:
        """Standard deviation of the two-way beam by depth."""
        wavelength = SOUND_MM_PER_US / self.frequency_mhz
        at_focus = wavelength * self.f_number / 2.355
        away = (depth_mm - self.focus_mm) / self.depth_of_field_mm
        return np.asarray(at_focus * np.sqrt(1 + away**2), dtype=np.float64)


def envelope(tissue: Tissue, spacing_mm: float, probe: Probe, rng: np.random.Generator) -> Field:
    """Detected echo amplitude on the scan grid, (samples along the beam, scan lines).

    Args:
        tissue: On a grid of square pixels.
        spacing_mm: Side of these pixels.
        probe: The array and its settings.
        rng: Draws the scatterers and the noise.
    """
    rows, columns = tissue.echo_db.shape
    samples = round(rows * spacing_mm / probe.sample_mm)
    lines = round(columns * spacing_mm / probe.line_spacing_mm)
    echo_db, interface_db, attenuation = (
        _resample(field, (samples, lines))
        for field in (tissue.echo_db, tissue.interface_db, tissue.attenuation)
    )
    diffuse = rng.standard_normal((samples, lines))
    coherent = _unit(gaussian_filter1d(rng.standard_normal((samples, lines)), 7.0, axis=1))
    scatterers = _amplitude(echo_db) * diffuse + 0.5 * _amplitude(interface_db) * coherent
    scatterers *= _amplitude(_net_gain_db(attenuation, probe))
    signal = _across_beam(scatterers, probe)
    signal = convolve1d(signal, _pulse(probe), axis=0, mode="reflect")
    depth_cm = np.arange(samples)[:, None] * probe.sample_mm / 10
    gain_db = 2 * probe.frequency_mhz * probe.gain_attenuation * depth_cm
    signal += _amplitude(probe.noise_db + gain_db) * rng.standard_normal((samples, lines))
    padded = next_fast_len(samples + samples // 8)  # keeps the skin from wrapping to the bottom
    analytic = hilbert(signal, N=padded, axis=0)[:samples]
    return np.asarray(np.abs(analytic), dtype=np.float64)


def log_compress(amplitude: Field, *, dynamic_range_db: float, white: float) -> Field:
    """Brightness in [0, 1]: 1 at ``white`` and above, 0 at ``dynamic_range_db`` below it."""
    level_db = 20 * np.log10(np.maximum(amplitude, 1e-12) / white)
    return np.clip(1 + level_db / dynamic_range_db, 0.0, 1.0)


def scan_convert(brightness: Field, shape: tuple[int, int]) -> Field:
    """The image on a pixel grid of ``shape`` covering the same field of view."""
    rows = brightness.shape[0] / shape[0]
    if rows > 1:  # several samples fall on one pixel: average them rather than alias
        brightness = gaussian_filter1d(brightness, 0.35 * rows, axis=0)
    return _resample(brightness, shape)


def _resample(field: Field, shape: tuple[int, int]) -> Field:
    """Linear interpolation between pixel centres of two grids over the same field of view."""
    axes = [
        (np.arange(new) + 0.5) * old / new - 0.5
        for new, old in zip(shape, field.shape, strict=True)
    ]
    coordinates = np.meshgrid(*axes, indexing="ij")
    return np.asarray(map_coordinates(field, coordinates, order=1, mode="nearest"))


def _amplitude(level_db: Field) -> Field:
    return np.asarray(10 ** (level_db / 20), dtype=np.float64)


def _unit(field: Field) -> Field:
    return np.asarray(field / field.std(), dtype=np.float64)


def _net_gain_db(attenuation: Field, probe: Probe) -> Field:
    """What is left of each echo after its way there and back and the time-gain compensation.

    The aperture looks around small obstacles, which blurs shadows across the beam.
    """
    step_cm = probe.sample_mm / 10
    excess = np.cumsum(probe.gain_attenuation - attenuation, axis=0) * step_cm
    blurred = gaussian_filter1d(excess, 0.5 / probe.line_spacing_mm, axis=1)
    return np.asarray(2 * probe.frequency_mhz * blurred, dtype=np.float64)


def _across_beam(scatterers: Field, probe: Probe) -> Field:
    """Convolution across the beam with a width that changes with depth.

    Filtered at a few widths and interpolated between them; each filter keeps the energy of white
    noise, so that brightness does not depend on the width.
    """
    depth_mm = np.arange(scatterers.shape[0], dtype=np.float64) * probe.sample_mm
    sigma = probe.beam_sigma_mm(depth_mm) / probe.line_spacing_mm
    widths = np.linspace(sigma.min(), sigma.max() + 1e-6, _BEAM_ZONES)
    position = np.interp(sigma, widths, np.arange(_BEAM_ZONES))
    result = np.zeros_like(scatterers)
    for zone, width in enumerate(widths):
        weight = np.clip(1 - np.abs(position - zone), 0, 1)[:, None]
        if weight.any():
            energy = np.sqrt(2 * np.sqrt(np.pi) * width)
            result += weight * energy * gaussian_filter1d(scatterers, width, axis=1)
    return result


def _pulse(probe: Probe) -> Field:
    """The transmitted pulse, sampled along the beam; unit energy."""
    spread_mhz = probe.bandwidth * probe.frequency_mhz / 2.355
    sigma_mm = SOUND_MM_PER_US / 2 / (2 * np.pi * spread_mhz)
    half = int(np.ceil(4 * sigma_mm / probe.sample_mm))
    depth_mm = np.arange(-half, half + 1) * probe.sample_mm
    carrier = np.cos(2 * np.pi * depth_mm * 2 * probe.frequency_mhz / SOUND_MM_PER_US)
    pulse = carrier * np.exp(-0.5 * (depth_mm / sigma_mm) ** 2)
    return np.asarray(pulse / np.sqrt(np.sum(pulse**2)), dtype=np.float64)
