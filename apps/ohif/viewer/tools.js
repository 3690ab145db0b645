// @ts-check
// The viewer's tools under the names of the review.

import { worldRadius } from "./brush.js";

/** @typedef {import("../review/types").Tool} Tool */
/** @typedef {import("./host.js").Host} Host */

const GROUP = "default";

/** @type {Record<Tool, string>} */
const NAMES = {
  brush: "CircularBrush",
  eraser: "CircularEraser",
  contour: "LabelMapEditWithContour",
  threshold: "ThresholdCircularBrush",
  pan: "Pan",
  windowLevel: "WindowLevel",
};
const BRUSHES = [NAMES.brush, NAMES.eraser, NAMES.threshold];

export class Tools {
  /** @param {Host} host */
  constructor(host) {
    this.host = host;
  }

  /** @returns {any} */
  get #group() {
    return this.host.services.toolGroupService.getToolGroup(GROUP);
  }

  /** @param {Tool} tool */
  take(tool) {
    this.host.run("setToolActiveToolbar", { toolName: NAMES[tool], toolGroupIds: [GROUP] });
    if (tool === "contour") this.#prepareContour();
    this.host.services.toolbarService.refreshToolbarState?.({
      viewportId: this.host.services.viewportGridService.getActiveViewportId(),
    });
  }

  /** To be called when another segmentation is painted: the contour tool looks only once at what it finds. */
  renew() {
    if (this.#group?.getActivePrimaryMouseButtonTool() === NAMES.contour) this.take("contour");
  }

  /** The contour tool makes room for its outlines when it hears of a change to the segmentation. */
  #prepareContour() {
    const { segmentationService, viewportGridService } = this.host.services;
    const painted = segmentationService.getActiveSegmentation(viewportGridService.getActiveViewportId());
    const { triggerSegmentationEvents } = this.host.libraries.cornerstoneTools.segmentation;
    if (painted) triggerSegmentationEvents.triggerSegmentationModified(painted.segmentationId);
  }

  /**
   * @param {(tool: Tool | null) => void} listener
   * @returns {() => void} Ends it.
   */
  onTaken(listener) {
    const { cornerstone, cornerstoneTools } = this.host.libraries;
    const name = cornerstoneTools.Enums.Events.TOOL_ACTIVATED;
    const hear = (/** @type {any} */ { detail }) => {
      if (detail.toolGroupId === GROUP && detail.toolName === this.#group?.getActivePrimaryMouseButtonTool()) {
        listener(toolOf(detail.toolName));
      }
    };
    cornerstone.eventTarget.addEventListener(name, hear);
    return () => cornerstone.eventTarget.removeEventListener(name, hear);
  }

  /**
   * @param {number} radiusPx
   * @param {any} viewport The drawing library's, which knows in what units it draws.
   */
  setBrush(radiusPx, viewport) {
    // The tools' own limits (0.5 to 99.5) are in world units: half a millimetre is no fine brush.
    for (const name of BRUSHES) this.#group?.setToolConfiguration(name, { minRadius: 0, maxRadius: 0 });
    const spacing = viewport.getImageData()?.spacing?.[0];
    const { segmentation } = this.host.libraries.cornerstoneTools.utilities;
    segmentation.setBrushSizeForToolGroup(GROUP, worldRadius(radiusPx, spacing));
  }

  /**
   * @param {number} low
   * @param {number} high
   */
  setThreshold(low, high) {
    const { segmentation } = this.host.libraries.cornerstoneTools.utilities;
    segmentation.setBrushThresholdForToolGroup(GROUP, { range: [low, high], isDynamic: false });
  }
}

/**
 * @param {string} name The viewer's.
 * @returns {Tool | null}
 */
export function toolOf(name) {
  const found = Object.entries(NAMES).find(([, known]) => known === name);
  return found ? /** @type {Tool} */ (found[0]) : null;
}
