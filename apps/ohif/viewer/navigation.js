// @ts-check
// Where things are opened.

import { ROOT } from "../server/address.js";

/** Route of our mode, below the viewer's own folder. */
export const ROUTE = "sonoloop";

/**
 * @param {{ study: string, series: string, sop: string, frame: number | null }} image
 * @param {number} [time] Makes the address a new one even when the same image is opened again.
 * @returns {string} Relative to the viewer's folder, as its router takes it.
 */
export function routeOf(image, time = Date.now()) {
  return `${addressOf(`/${ROUTE}`, image)}&t=${time}`;
}

/**
 * @param {string} pathname
 * @param {{ study: string, series: string, sop: string, frame: number | null }} image
 * @returns {string} That path, with the query that opens the image.
 */
export function addressOf(pathname, { study, series, sop, frame }) {
  const query = new URLSearchParams({
    StudyInstanceUIDs: study,
    initialSeriesInstanceUID: series,
    initialSOPInstanceUID: sop,
  });
  if (frame !== null) query.set("frame", String(frame));
  return `${pathname}?${query}`;
}

/**
 * @param {{ pathname: string, search: string } | null} here Where the reader comes back to; null: to another tab.
 * @param {URL} [root]
 * @returns {string} Address of the login page.
 */
export function loginAddress(here, root = ROOT) {
  const address = new URL("login", root);
  if (here) address.searchParams.set("next", `${here.pathname}${here.search}`);
  else address.searchParams.set("beside", "viewer");
  return address.href;
}
