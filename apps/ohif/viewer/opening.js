// @ts-check
// Parts of a series: OHIF makes a display set of each cine and one of the single pictures, and opens the first of them,
// whichever picture the address names.

/** @typedef {import("./host.js").Host} Host */

/**
 * @param {any} displaySet OHIF's.
 * @param {string} sop
 * @returns {boolean} Whether the picture belongs to it.
 */
export function holds(displaySet, sop) {
  return (displaySet.instances ?? []).some((/** @type {any} */ instance) => instance.SOPInstanceUID === sop);
}

/**
 * Puts the display set that holds a picture into a viewport.
 * @param {Host} host
 * @param {string} viewportId
 * @param {string} sop
 * @returns {boolean} False when no display set of the study holds it, or not yet.
 */
export function showPart(host, viewportId, sop) {
  const { displaySetService, viewportGridService } = host.services;
  const wanted = displaySetService.getActiveDisplaySets().find((/** @type {any} */ one) => holds(one, sop));
  if (!wanted) return false;
  viewportGridService.setDisplaySetsForViewport({ viewportId, displaySetInstanceUIDs: [wanted.displaySetInstanceUID] });
  return true;
}
