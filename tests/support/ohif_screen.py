"""A reader before the viewer: what is on the screen, what the mouse does, who was asked."""

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlparse

import numpy as np
import numpy.typing as npt
from playwright.sync_api import BrowserContext, Locator, Page, Request

Mask = npt.NDArray[np.uint8]

PREDICTED: Final = "AI suggestion, not changed"
CHANGED: Final = "Changed, not submitted"
SUBMITTED: Final = "Submitted"

PATIENCE_MS: Final = 120_000
"""The viewer draws without a graphics card, on machines that do other things too."""

FLAGS: Final = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
)

_VIEW: Final = """
const view = () => {
  const { cornerstone, cornerstoneTools, services } = window;
  const grid = services?.viewportGridService;
  if (!grid?.serviceImplementation?._getState) return null; // the viewer is still being built
  const viewportId = grid.getState().activeViewportId;
  const viewport = viewportId &&
    services.cornerstoneViewportService.getCornerstoneViewport(viewportId);
  const imageId = viewport?.getCurrentImageId?.();
  const instance = imageId && cornerstone.metaData.get('instance', imageId);
  if (!instance) return null;
  const [shown] = services.segmentationService.getSegmentationRepresentations(viewportId);
  const maskId = shown && cornerstoneTools.segmentation.state
    .getCurrentLabelmapImageIdForViewport(viewportId, shown.segmentationId);
  const mask = maskId && cornerstone.cache.getImage(maskId);
  return { viewport, imageId, instance, mask };
};
"""

_SHOWN: Final = f"""() => {{ {_VIEW}
  const found = view();
  if (!found) return null;
  const {{ imageId, instance, mask }} = found;
  const frames = Number(instance.NumberOfFrames ?? 1);
  const frame = Number(/\\/frames\\/(\\d+)/.exec(imageId)?.[1] ?? 1) - 1;
  const bytes = mask && Uint8Array.from(mask.voxelManager.getScalarData());
  let text = null;
  if (bytes) {{
    text = '';
    for (let i = 0; i < bytes.length; i += 8192) {{
      text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    }}
    text = btoa(text);
  }}
  return {{
    sop: instance.SOPInstanceUID, frame: frames > 1 ? frame : null,
    rows: instance.Rows, columns: instance.Columns,
    maskRows: mask?.rows ?? null, maskColumns: mask?.columns ?? null, mask: text,
  }};
}}"""

_PLACE: Final = f"""([column, row]) => {{ {_VIEW}
  const {{ viewport, imageId }} = view();
  const world = window.cornerstone.utilities.imageToWorldCoords(imageId, [column, row]);
  const [x, y] = viewport.worldToCanvas(world);
  const box = viewport.element.getBoundingClientRect();
  return [box.left + x, box.top + y];
}}"""


@dataclass(frozen=True)
class Shown:
    """What the active viewport shows.

    Attributes:
        image: Id of the image as the server names it.
        mask: (H, W) segment of every pixel; None while the image has no mask.
    """

    image: str
    mask: Mask | None

    @property
    def lesion(self) -> npt.NDArray[np.bool_]:
        """(H, W), True where anything is marked; all False without a mask."""
        assert self.mask is not None, f"{self.image} has no mask"
        return self.mask > 0


@dataclass
class Screen:
    """One page of a reader.

    Attributes:
        asked: Addresses of all requests.
        complaints: Errors of the console, failures of scripts and of requests.
        seconds: Times taken, by name.
    """

    page: Page
    url: str
    artefacts: Path
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def open(cls, context: BrowserContext, url: str, artefacts: Path) -> "Screen":
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        screen = cls(page, url, artefacts)
        page.on("request", screen._on_request)
        page.on("websocket", lambda socket: screen.asked.append(socket.url))
        page.on("pageerror", lambda error: screen.complaints.append(f"script: {error}"))
        page.on("console", screen._on_console)
        page.on("response", screen._on_response)
        return screen

    def _on_request(self, request: Request) -> None:
        self.asked.append(request.url)

    def _on_console(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text[:400]}")

    def _on_response(self, response: Any) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")

    @property
    def strangers(self) -> set[str]:
        """Hosts other than the server that were asked for anything."""
        hosts = {
            urlparse(url).netloc for url in self.asked if not url.startswith(("data:", "blob:"))
        }
        return hosts - {urlparse(self.url).netloc}

    def worklist(self) -> None:
        """Open the list of studies."""
        self.page.goto(f"{self.url}/ohif/")

    def study(self, study: str, image: Any = None) -> None:
        """Open a study in our mode; with ``image`` (series, sop, frame) at exactly that image."""
        query = {"StudyInstanceUIDs": study}
        if image is not None:
            query |= {"initialSeriesInstanceUID": image.series, "initialSOPInstanceUID": image.sop}
            if image.frame is not None:
                query["frame"] = str(image.frame)
        self.page.goto(f"{self.url}/ohif/sonoloop?{urlencode(query)}")

    @property
    def panel(self) -> Locator:
        return self.page.locator("sonoloop-panel")

    def stage(self) -> str:
        """What the panel says of the open image; empty while there is no panel."""
        place = self.panel.locator("[data-part=stage]")
        return place.inner_text() if place.count() == 1 else ""

    def until_stage(self, *wanted: str) -> str:
        """Wait until the panel says that one of these has come."""

        def there() -> str | None:
            told = self.stage()
            return told if told.startswith(wanted) else None

        stage: str = self.until(there, f"the panel never says one of {wanted}")
        return stage

    def answer(self, pathology: str, birads: str | None = None) -> None:
        """Choose in the panel what is answered."""
        for value in (pathology, birads):
            if value is not None:
                self.panel.locator(f"label[data-value='{value}']").click()

    def shown(self) -> Shown | None:
        """What the viewport shows now; None while it shows nothing."""
        found = self.page.evaluate(_SHOWN)
        if found is None:
            return None
        image = found["sop"] if found["frame"] is None else f"{found['sop']}_f{found['frame']}"
        if found["mask"] is None:
            return Shown(image, None)
        size = (found["rows"], found["columns"])
        assert (found["maskRows"], found["maskColumns"]) == size, "the mask has another size"
        data = np.frombuffer(base64.b64decode(found["mask"]), np.uint8)
        return Shown(image, data.reshape(size).copy())

    def until(self, condition: Callable[[], Any], what: str, *, seconds: float = 120) -> Any:
        """Wait for something on the screen; what it came to."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                self.shot("given-up")
                raise AssertionError(f"waited {seconds:.0f} s: {what}; {self.complaints[-5:]}")
            self.page.wait_for_timeout(50)
        return found

    def until_shown(self, image: str, *, marked: bool = True) -> Shown:
        """Wait until an image is shown, and (``marked``) with something marked on it."""

        def there() -> Shown | None:
            shown = self.shown()
            if shown is None or shown.image != image:
                return None
            if marked and (shown.mask is None or not shown.mask.any()):
                return None
            return shown

        shown: Shown = self.until(there, f"{image} is not shown{' with a mask' * marked}")
        return shown

    def place(self, column: float, row: float) -> tuple[float, float]:
        """Where on the page a pixel of the shown image is drawn, (x, y)."""
        x, y = self.page.evaluate(_PLACE, [column, row])
        return float(x), float(y)

    def drag(self, *pixels: tuple[float, float]) -> None:
        """Move the pressed mouse over pixels of the image, (column, row) each."""
        first, *others = [self.place(*pixel) for pixel in pixels]
        self.page.mouse.move(*first)
        self.page.mouse.down()
        for place in others:
            self.page.mouse.move(*place, steps=6)
        self.page.mouse.up()

    def scroll(self, images: int) -> None:
        """Turn the wheel over the image, one notch for every image."""
        self.page.locator(".cornerstone-canvas").first.hover()
        for _ in range(abs(images)):
            self.page.mouse.wheel(0, 120 if images > 0 else -120)
            self.page.wait_for_timeout(150)

    def shot(self, name: str) -> None:
        """Keep what is on the screen."""
        safe = re.sub(r"[^a-z0-9-]+", "-", name.lower())
        self.page.screenshot(path=self.artefacts / f"{safe}.png")

    def timed(self, name: str, since: float) -> float:
        """Note how long something took; the figures stand beside the screenshots."""
        self.seconds[name] = round(time.monotonic() - since, 2)
        path = self.artefacts / "seconds.json"
        known = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(known | self.seconds, indent=1) + "\n")
        print(f"{name}: {self.seconds[name]} s")  # noqa: T201
        return self.seconds[name]
