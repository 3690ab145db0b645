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


def bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 is computed natively: Ampere and later GPUs, CPUs with avx512_bf16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return False
    flags = cpuinfo.read_text(encoding="utf-8", errors="replace")
    return "avx512_bf16" in flags or "amx_bf16" in flags


def limit_threads(threads: int) -> None:
    """Let torch use ``threads`` CPU threads; 0 leaves the choice to the machine."""
    if threads > 0:
        torch.set_num_threads(min(threads, os.cpu_count() or 1))
