// @ts-check
// Sonoloop's mode of OHIF, made from the segmentation and the basic mode that OHIF brings.

import { enter, leave } from "./session.js";
import { ROUTE } from "./viewer/navigation.js";

/**
 * Only pictures are opened. A segmentation or report of the study stays in the list of series: opened, OHIF would make
 * it the one that tools paint on; earlier answers come from the server instead.
 */
const PICTURES = "@ohif/extension-default.sopClassHandlerModule.stack";
const ID = "@sonoloop/mode";
const PANEL = "@sonoloop/extension.panelModule.review";
/** As long as a button of the worklist takes. */
const NAME = "Breast review";

/**
 * Tools in the toolbar. Those that OHIF's segmentation mode has beside are left out: they ask other hosts for models
 * (MarkerLabelmap, LabelmapSlicePropagation), or make no sense on a stack of flat pictures (crosshairs, grow-cut, 3-D).
 */
const TOOLBAR = Object.freeze({
  primary: ["WindowLevel", "Pan", "Zoom", "Length", "Capture", "Cine", "MoreTools"],
  LabelMapTools: ["BrushTools", "Shapes", "LabelMapEditWithContour"],
  LabelMapUtilities: [],
});

/**
 * Statistics of segments are reckoned over all pictures of a series, of which we hold few masks at once. The bar that
 * plays cines would lie over every ultrasound picture: it comes with its button.
 */
const CUSTOMIZATIONS = Object.freeze({
  "panelSegmentation.disableUpdateSegmentationStats": { $set: true },
  autoCineModalities: { $set: [] },
});

/**
 * @param {{ loadModules: (names: string[]) => Promise<any[]> }} host
 * @returns {Promise<object>} What OHIF takes for a mode.
 */
async function modeFactory({ loadModules }) {
  const [segmentation, basic] = await loadModules(["@ohif/mode-segmentation", "@ohif/mode-basic"]);
  const base = await segmentation.modeFactory({ modeConfiguration: {}, loadModules });
  const [route] = base.routes;
  const rightPanels = [PANEL];
  return {
    ...base,
    id: ID,
    routeName: ROUTE,
    displayName: NAME,
    modeModalities: ["US"],
    isValidMode,
    // Its own protocol shows two pictures at once, and not the one that the address names.
    hangingProtocol: "default",
    toolbarSections: [...base.toolbarSections, TOOLBAR],
    sopClassHandlers: [PICTURES],
    routes: [
      {
        ...route,
        path: ROUTE,
        layoutInstance: { ...route.layoutInstance, props: { ...route.layoutInstance.props, rightPanels } },
      },
    ],
    /**
     * The basic mode's: the segmentation mode's own would put its panel in front of ours with the first mask.
     * @this {any}
     * @param {any} context
     */
    onModeEnter(context) {
      basic.modeInstance.onModeEnter.call(this, context);
      context.servicesManager.services.customizationService.setCustomizations(CUSTOMIZATIONS, "mode");
      enter();
    },
    /**
     * @this {any}
     * @param {any} context
     */
    onModeExit(context) {
      leave();
      base.onModeExit.call(this, context);
    },
  };
}

/**
 * @param {{ modalities: string }} study Its modalities, joined by backslashes or slashes.
 * @returns {{ valid: boolean, description: string }}
 */
export function isValidMode({ modalities }) {
  const valid = modalities.split(/[\\/]/).includes("US");
  return { valid, description: valid ? NAME : "Only for studies with ultrasound pictures" };
}

export default { id: ID, extensionDependencies: {}, modeFactory };
