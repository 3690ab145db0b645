// @ts-check
// Loaded before the viewer itself: an address that names an image is enough to ask the AI of it, whose answer takes about
// as long as the viewer takes to start.

import { Api } from "./server/api.js";
import { imageOfAddress } from "./viewer/ids.js";
import { ROUTE } from "./viewer/navigation.js";

/**
 * @typedef {object} Asked
 * @property {string} imageId
 * @property {Promise<import("./server/api.js").Inference>} answer
 */

/**
 * @param {{ pathname: string, search: string }} address
 * @param {Pick<Api, "infer">} api
 * @returns {Asked | null} Null when the address opens no image in our mode.
 */
export function askFor({ pathname, search }, api) {
  const imageId = pathname.split("/").includes(ROUTE) ? imageOfAddress(search) : null;
  if (!imageId) return null;
  const answer = api.infer(imageId);
  answer.catch(() => {}); // it is asked again, and its failure told, once the image is open
  return { imageId, answer };
}

/** What the window's first address asked for. */
export const early = globalThis.window ? askFor(window.location, new Api()) : null;
