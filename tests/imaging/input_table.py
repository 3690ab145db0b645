"""Makes ``docs/inputs.md``: what is read and refused, measured; run by ``scripts/input_table``."""

import importlib
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
from PIL import Image

from sonoloop.errors import ImageReadError
from sonoloop.imaging.read import read_image
from sonoloop.imaging.sandbox import SANDBOX
from sonoloop.imaging.vocabulary import FLAGS, REFUSALS

HERE = Path(__file__).parent
DATA = Path(os.environ.get("SONOLOOP_DATA", HERE.parents[2] / "shared" / "data"))
INTRODUCTION = """# What is read, what is refused

Made by `scripts/input_table`; do not edit. Every input is read in a process of its own, so the
seconds include the start of a decoding process where one is needed, and the peak is the resident
memory of both processes together, about {base} MB of it Python, NumPy, pydicom and Pillow.

`sonoloop.imaging.read.read_image` gives one grey frame (rows x columns, 8 bits), its spacing in
millimetres (from the ultrasound regions, else from a believable PixelSpacing, else unknown), the
region, the identity and flags - or it raises `ImageReadError` with one of the codes below.
"""
LIMITS = """
## Known limits

- A JPEG (baseline or lossless) whose data were cut but which somebody ended properly cannot be told
  from a whole one: libjpeg fills the rest with grey and says so to nobody.
- Apart from PNG, no format has a check sum: a changed byte inside the pixels changes pixels.
- Ultrasound regions are not guessed from the picture: without Sequence of Ultrasound Regions there
  is no region, and without PixelSpacing either there is no scale.
- More than 8 bits are scaled from the whole stored range; window settings are not applied.
- JPEG of 12 bits, signed pixels, YBR_PARTIAL and 32-bit pictures are refused.
"""


def measured(path: Path, frame: int) -> dict[str, Any]:
    """What reading gives, in a forked process; seconds and peak memory with it."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_measure, args=(theirs, path, frame))
    child.start()
    outcome: dict[str, Any] = ours.recv()
    child.join()
    return outcome


def _measure(connection: Any, path: Path, frame: int) -> None:
    started = time.perf_counter()
    try:
        image = read_image(path, frame=frame)
    except ImageReadError as error:
        outcome: dict[str, Any] = {"outcome": error.code}
    else:
        spacing = None if image.spacing_mm is None else [round(v, 4) for v in image.spacing_mm]
        outcome = {
            "outcome": "read",
            "shape": image.shape,
            "frames": image.frame_count,
            "spacing": spacing,
            "flags": image.flags,
        }
    outcome["seconds"] = time.perf_counter() - started
    SANDBOX.close()
    peaks = [
        resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    connection.send(outcome | {"mb": sum(peaks) / 1024})


def in_fresh_process(folder: Path) -> dict[str, dict[str, Any]]:
    """Measurements of the inputs in ``folder``, by a reader that holds nothing else in memory."""
    run = subprocess.run(
        [sys.executable, __file__, "--measure", str(folder)], capture_output=True, check=True
    )
    answer: dict[str, dict[str, Any]] = json.loads(run.stdout)
    return answer


def measure_folder(folder: Path) -> None:
    """Write the measurements of the inputs named in ``folder/index.json`` to standard output."""
    index = json.loads((folder / "index.json").read_text())
    outcomes = {name: measured(Path(path), frame) for name, (path, frame) in index.items()}
    sys.stdout.write(json.dumps(outcomes))


def outcomes_of(inputs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Measurements of built inputs, by name."""
    with tempfile.TemporaryDirectory() as name:
        folder, index = Path(name), {}
        for number, (title, item) in enumerate(inputs.items()):
            path = folder / f"{number}{item.suffix}"
            path.write_bytes(item.content)
            index[title] = (str(path), item.frame)
        (folder / "index.json").write_text(json.dumps(index))
        return in_fresh_process(folder)


def real_files() -> Iterator[str]:
    """Table of the published files, or the reason why there is none."""
    paths = sorted((DATA / "us-dicom").glob("*.dcm"))
    if not paths:
        yield "The published files were absent when this was made (set SONOLOOP_DATA)."
        return
    with tempfile.TemporaryDirectory() as name:
        index = {path.stem: (str(path), 0) for path in paths}
        (Path(name) / "index.json").write_text(json.dumps(index))
        outcomes = in_fresh_process(Path(name))
    titles = "file, transfer syntax, photometric, rows x columns, frames, spacing mm, flags, s"
    yield f"| {titles.replace(', ', ' | ')} |"
    yield "|---|---|---|---|--:|---|---|--:|"
    for path in paths:
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        got = outcomes[path.stem]
        cells = [
            path.stem,
            ds.file_meta.TransferSyntaxUID.name.split(" (")[0],
            ds.PhotometricInterpretation,
            "x".join(map(str, got["shape"])),
            got["frames"],
            "unknown" if got["spacing"] is None else " x ".join(map(str, got["spacing"])),
            ", ".join(got["flags"]) or "-",
            f"{got['seconds']:.3f}",
        ]
        yield f"| {' | '.join(map(str, cells))} |"


def bad_table(inputs: dict[str, Any]) -> Iterator[str]:
    """Table of the refused inputs.

    Raises:
        RuntimeError: If one was read, or refused with a code that does not fit.
    """
    yield "| input | refusal | s | peak MB |"
    yield "|---|---|--:|--:|"
    for name, got in outcomes_of(inputs).items():
        if got["outcome"] not in inputs[name].codes:
            raise RuntimeError(f"{name} gave {got['outcome']}, not {sorted(inputs[name].codes)}")
        yield f"| {name} | {got['outcome']} | {got['seconds']:.3f} | {got['mb']:.0f} |"


def good_table(inputs: dict[str, Any]) -> Iterator[str]:
    """Table of the built readable inputs."""
    yield "| input | mean difference allowed | flags | s |"
    yield "|---|--:|---|--:|"
    for name, got in outcomes_of(inputs).items():
        flags = ", ".join(got["flags"]) or "-"
        yield f"| {name} | {inputs[name].tolerance:g} | {flags} | {got['seconds']:.3f} |"


def speed_table(build: Any) -> Iterator[str]:
    """Time of reading 800 x 600 pixels once everything is loaded: the best and the median."""
    grey = build.scan(600, 800)
    rgb = build.coloured(grey)
    names = {
        "native grey": build.saved(build.dataset(grey)),
        "native RGB": build.saved(build.dataset(rgb)),
        "JPEG grey": build.saved(build.dataset(grey, jpeg_quality=90)),
        "JPEG colour": build.saved(build.dataset(rgb, jpeg_quality=90)),
        "RLE grey": build.compressed(grey, build.RLELossless),
        "JPEG-LS grey": build.compressed(grey, build.JPEGLSLossless),
        "JPEG 2000 grey": build.saved(
            build.with_frames(build.dataset(grey), [build.jpeg2000(grey)], build.JPEG2000Lossless)
        ),
        "JPEG lossless grey": build.saved(
            build.with_frames(
                build.dataset(grey), [build.jpeg_lossless(grey)], build.JPEG_LOSSLESS_SV1
            )
        ),
        "PNG grey": build.picture(Image.fromarray(grey), "PNG"),
    }
    yield "| 800 x 600 | best ms | p50 ms |"
    yield "|---|--:|--:|"
    with tempfile.TemporaryDirectory() as folder:
        for name, content in names.items():
            path = Path(folder) / "image"
            path.write_bytes(content)
            read_image(path)
            times = []
            for _ in range(100):
                started = time.perf_counter()
                read_image(path)
                times.append((time.perf_counter() - started) * 1000)
            yield f"| {name} | {min(times):.1f} | {statistics.median(times):.1f} |"


def page() -> str:
    """The whole page."""
    sys.path.insert(0, str(HERE))
    good, bad = importlib.import_module("good_inputs"), importlib.import_module("bad_inputs")
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    lines = [INTRODUCTION.format(base=base), "## Real ultrasound files", "", *real_files()]
    lines += ["", "## Refusals", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in REFUSALS.items()]
    lines += ["", "## Flags", "", "| flag | meaning |", "|---|---|"]
    lines += [f"| {flag} | {meaning} |" for flag, meaning in FLAGS.items()]
    inputs = bad.bad_inputs()
    lines += ["", f"## Bad inputs ({len(inputs)}, all refused)", "", *bad_table(inputs)]
    lines += ["", f"## Built inputs that are read ({len(good.good_inputs())})", ""]
    lines += [*good_table(good.good_inputs()), "", "## Time of one read", ""]
    lines += [*speed_table(good), LIMITS]
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        measure_folder(Path(sys.argv[2]))
    else:
        Path(sys.argv[1]).write_text(page())
