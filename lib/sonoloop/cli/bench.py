"""``sonoloop bench``: how fast Sonoloop is on this machine, as ratios within one run."""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from sonoloop.cli.console import err, errors_told, out
from sonoloop.errors import ConfigError

DEFAULT_SIZES: Final = (1_000, 10_000, 100_000)

app = typer.Typer(help="Measure performance.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """Measure performance on this machine."""


@app.command()
def serve(
    studies: Annotated[
        Path, typer.Option(help="Folder of studies whose images are inferred.")
    ] = Path("sample-data/studies"),
    rounds: Annotated[int, typer.Option(min=5, help="Inferences per way of calling.")] = 60,
    seconds: Annotated[float, typer.Option(min=2, help="Length of each load phase.")] = 8.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures there too.")
    ] = None,
) -> None:
    """Latency of the network alone, the pipeline and HTTP; /info under load; images per second.

    Starts a server of its own on a free port with a temporary workspace.

    Example: sonoloop bench serve --rounds 60 --json bench.json
    """
    with errors_told(), tempfile.TemporaryDirectory(prefix="sonoloop-bench-") as workspace:
        if not studies.is_dir():
            raise ConfigError(
                [
                    f"there is no folder of studies {str(studies)!r} (call this in a clone of the "
                    f"repository, or name one with --studies)"
                ]
            )
        from sonoloop.cli.bench_serve import measure

        figures = measure(
            studies, Path(workspace), rounds=rounds, seconds=seconds, say=lambda t: err.print(t)
        )
        _show(figures)
        if json_file:
            json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


@app.command()
def store(
    out_folder: Annotated[Path, typer.Option("--out", help="Folder of the figures and the plot.")],
    sizes: Annotated[
        list[int] | None,
        typer.Option(
            "--size", min=40, help="Images of a workspace. Repeatable; default 1k, 10k, 100k."
        ),
    ] = None,
    calls: Annotated[int, typer.Option(min=5, help="Calls per strategy and size.")] = 200,
    readers: Annotated[int, typer.Option(min=1, help="Readers who take turns.")] = 4,
) -> None:
    """Next sample, saved label and start of the store as it grows, half of the images labelled.

    The workspaces are made below --out and removed again: what is measured is that disk.

    Example: sonoloop bench store --out bench
    """
    with errors_told():
        from sonoloop.cli.bench_store import measure, write_figures

        out_folder.mkdir(parents=True, exist_ok=True)
        figures = measure(
            sizes or DEFAULT_SIZES,
            calls=calls,
            readers=readers,
            folder=out_folder,
            say=lambda text: err.print(text, highlight=False),
        )
        _show_store(figures)
        for path in write_figures(figures, out_folder):
            out.print(f"wrote {path}", highlight=False, soft_wrap=True)


def _show_store(figures: dict[str, Any]) -> None:
    names = {"p50_ms": "p50 ms", "p95_ms": "p95 ms", "max_ms": "max ms", "cpu_p95_ms": "CPU p95 ms"}
    table = Table("images", "call", *names.values(), "start s", title="store")
    for row in figures["rows"]:
        calls = {f"next sample, {name}": spread for name, spread in row["next"].items()}
        for call, spread in (calls | {"save label": row["save"]}).items():
            times = [f"{spread[name]:.1f}" for name in names]
            table.add_row(f"{row['images']:,}", call, *times, f"{row['start_s']:.2f}")
    out.print(table)
    out.print(
        f"load of the machine {figures['load_before']:.1f} before, {figures['load_after']:.1f} "
        f"after, {figures['cores']} cores"
    )


def _show(figures: dict[str, Any]) -> None:
    latency = Table("call", "p50 ms", "p95 ms", "ratio to raw (p50)", title="one caller")
    for name, row in figures["latency"].items():
        latency.add_row(name, f"{row['p50_ms']:.1f}", f"{row['p95_ms']:.1f}", f"{row['ratio']:.2f}")
    out.print(latency)
    load = Table("clients", "images/s", "infer p50 ms", "infer p95 ms", title="POST /infer/lesion")
    for row in figures["load"]:
        load.add_row(
            str(row["clients"]),
            f"{row['images_per_s']:.1f}",
            f"{row['p50_ms']:.0f}",
            f"{row['p95_ms']:.0f}",
        )
    out.print(load)
    info = figures["info_under_load"]
    out.print(
        f"/info while {info['clients']} clients infer: p50 {info['p50_ms']:.1f} ms, "
        f"p95 {info['p95_ms']:.1f} ms, max {info['max_ms']:.1f} ms"
    )
    start = figures["server"]
    out.print(
        f"server answering after {start['start_s']:.1f} s; memory {start['start_rss_mb']:.0f} MB "
        f"then, {start['idle_rss_mb']:.0f} MB with both models loaded, "
        f"{start['loaded_rss_mb']:.0f} MB after the load"
    )


@app.command()
def rollback(
    rounds: Annotated[int, typer.Option(min=1, help="Rollbacks measured.")] = 20,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures there too.")
    ] = None,
) -> None:
    """Time until the version before answers again, and that it has the very same bytes.

    Example: sonoloop bench rollback --rounds 20
    """
    with errors_told(), tempfile.TemporaryDirectory(prefix="sonoloop-bench-") as workspace:
        from sonoloop.cli.bench_rollback import measure_rollback

        figures = measure_rollback(Path(workspace), rounds=rounds)
        out.print(
            f"{figures['rounds']} rollbacks of the segmenter, both versions in memory: p50 "
            f"{figures['p50_ms']:.0f} ms, max {figures['max_ms']:.0f} ms; compiled on the disk "
            f"only: {figures['after_restart_ms']:.0f} ms; sha256 of the weights unchanged"
        )
        if json_file:
            json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


@app.command()
def pacs(
    studies: Annotated[
        int, typer.Option(min=1, help="Studies of the folder and of the PACS.")
    ] = 1000,
    calls: Annotated[int, typer.Option(min=5, help="Measurements of each call.")] = 50,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures there too.")
    ] = None,
) -> None:
    """Worklist, next sample and new studies among many, over a folder and over an Orthanc.

    Orthanc is measured where Debian's packages orthanc and orthanc-dicomweb are installed.

    Example: sonoloop bench pacs --studies 1000 --json pacs.json
    """
    with errors_told(), tempfile.TemporaryDirectory(prefix="sonoloop-bench-") as folder:
        from sonoloop.cli.bench_pacs import measure

        figures = measure(
            studies=studies, calls=calls, folder=Path(folder), say=lambda text: err.print(text)
        )
        _show_pacs(figures)
        if json_file:
            json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _show_pacs(figures: dict[str, Any]) -> None:
    title = f"{figures['studies']:,} studies"
    table = Table("studies in", "call", "p50 ms", "p95 ms", "max ms", title=title)
    for name, place in figures["places"].items():
        for call, row in (place["calls"] | {"new study seen": place["new_study"]}).items():
            table.add_row(
                name, call, *(f"{row[key]:.0f}" for key in ("p50_ms", "p95_ms", "max_ms"))
            )
    out.print(table)
    for name, place in figures["places"].items():
        out.print(
            f"{name}: every image known {place['known_s']:.1f} s after the start, "
            f"{place['rss_mb']:.0f} MB"
        )
    out.print(
        f"load of the machine {figures['load_before']:.1f} before, {figures['load_after']:.1f} "
        f"after, {figures['cores']} cores"
    )
