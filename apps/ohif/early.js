// @ts-check
// Loaded before the viewer itself: an address that names an image is enough to ask the server of it, whose answers take
// about as long as the viewer takes to start.

import { ask } from "./review/loading.js";
import { Api } from "./server/api.js";
import { imageOfAddress } from "./viewer/ids.js";
import { ROUTE } from "./viewer/navigation.js";

/** @typedef {import("./review/loading.js").Asked} Asked */

/**
 * @param {{ pathname: string, search: string }} address
 * @param {Pick<Api, "infer" | "revisions">} api
 * @returns {Asked | null} Null when the address opens no image in our mode.
 */
export function askFor({ pathname, search }, api) {
  const imageId = pathname.split("/").includes(ROUTE) ? imageOfAddress(search) : null;
  return imageId ? ask(api, imageId) : null;
}

/** What the window's first address asked for. */
export const early = globalThis.window ? askFor(window.location, new Api()) : null;
