"""Which device and number format a computation uses."""

import os
from pathlib import Path

import torch

from sonoloop.errors import ConfigError


def resolve_device(device: str) -> torch.device:
    """The device named by ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.

    Raises:
        ConfigError: If a GPU is named that is not there.
    """
    available = torch.cuda.is_available()
    if device == "auto":
        return torch.device("cuda" if available else "cpu")
    chosen = torch.device(device)
    if chosen.type == "cuda" and (
        not available or (chosen.index or 0) >= torch.cuda.device_count()
    ):
        raise ConfigError([f"device {device!r} is not available here (use auto or cpu)"])
    return chosen


def bf16_pays(device: torch.device, network: torch.nn.Module | None = None) -> bool:
    """Whether bfloat16 is faster than float32, for a network where the answer hangs on it.

    On Ampere and later GPUs, and on CPUs with avx512_bf16 for networks of mostly dense
    convolutions. Seen on one core of such a CPU (seconds a training step, the better of two):
    attention U-Net 0.34 in float32 and 0.24 in bfloat16, CMUNeXt 1.11 and 0.53, ResNet18 0.27 and
    0.17; but with mostly depthwise ones, EfficientNet-B0 0.27 and 0.41, attention U-Net on
    EfficientNet-Lite2 0.33 and 0.37.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists() or (network is not None and mostly_depthwise(network)):
        return False
    flags = cpuinfo.read_text(encoding="utf-8", errors="replace")
    return "avx512_bf16" in flags or "amx_bf16" in flags


def mostly_depthwise(network: torch.nn.Module) -> bool:
    """Whether more of the convolutions wider than a pixel are depthwise than dense."""
    wide = [
        m for m in network.modules() if isinstance(m, torch.nn.Conv2d) and max(m.kernel_size) > 1
    ]
    depthwise = sum(m.groups == m.in_channels > 1 for m in wide)
    return depthwise > len(wide) - depthwise


def limit_threads(threads: int) -> None:
    """Let torch use ``threads`` CPU threads; 0 leaves the choice to the machine."""
    if threads > 0:
        torch.set_num_threads(min(threads, os.cpu_count() or 1))
