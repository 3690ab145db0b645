// @ts-check
// The picture that an address names. OHIF makes a display set of each cine and one of the single pictures of a series; it
// opens the first of them, and a cine at its first frame, whatever the address says.

import { partsOf } from "./ids.js";

/** @typedef {import("./host.js").Host} Host */
/** @typedef {import("./watching.js").View} View */

/**
 * Brings a picture on the screen. OHIF may put its own choice there more than once while it builds the page, so this is
 * to be called until the picture is there.
 * @param {Host} host
 * @param {View} now What is shown.
 * @param {string} imageId Empty where none is wanted.
 * @returns {"there" | "coming" | "unknown"} Unknown: no display set holds it, or not yet.
 */
export function bring(host, now, imageId) {
  const { sop, frame } = partsOf(imageId);
  if (!sop) return "there";
  if (!holds(now.displaySet, sop)) return showPart(host, now.viewportId, sop) ? "coming" : "unknown";
  if (now.image.sop !== sop || frame === null || frame >= now.frames || now.image.frame === frame) return "there";
  void now.viewport.setImageIdIndex(frame);
  return "coming";
}

/**
 * @param {any} displaySet OHIF's.
 * @param {string} sop
 */
function holds(displaySet, sop) {
  return (displaySet.instances ?? []).some((/** @type {any} */ instance) => instance.SOPInstanceUID === sop);
}

/**
 * @param {Host} host
 * @param {string} viewportId
 * @param {string} sop
 * @returns {boolean} False when no display set of the study holds it.
 */
function showPart(host, viewportId, sop) {
  const { displaySetService, viewportGridService } = host.services;
  const wanted = displaySetService.getActiveDisplaySets().find((/** @type {any} */ one) => holds(one, sop));
  if (!wanted) return false;
  viewportGridService.setDisplaySetsForViewport({ viewportId, displaySetInstanceUIDs: [wanted.displaySetInstanceUID] });
  return true;
}
