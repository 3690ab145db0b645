// @ts-check
// The one file that the server holds for this page, and that it forgets when the page lets go.

import { ask } from "../dom.js";
import { sent } from "../picture/findings.js";

const HELD_S = 600;

/**
 * @typedef {{id: string, file: File, isDicom: boolean, frames: number, rows: number, columns: number,
 *   spacing: [number, number] | null, notes: string[]}} Held
 */

/** @type {Held | null} */
let held = null;
let asked = 0;

/**
 * Sends a file in the place of the one before.
 * @param {File} file
 * @returns {Promise<Held>}
 * @throws {Error} With the server's sentence; nothing is held then.
 */
export async function hold(file) {
  letGo();
  const turn = ++asked;
  const { session_id: id, session_info: info } = await sent(file, HELD_S);
  if (turn !== asked) {
    forget(id);
    throw new Error("another file was chosen meanwhile");
  }
  const { frame_count: frames, rows, columns, spacing_mm: spacing, notes } = info.meta;
  const isDicom = info.image.endsWith(".dcm");
  held = { id, file, isDicom, frames, rows, columns, spacing, notes };
  return held;
}

/** Has the server delete the file; it would do so by itself later. */
export function letGo() {
  if (held) forget(held.id);
  held = null;
}

/** @param {string} id */
const forget = (id) => ask(`session/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});

/**
 * Adds the file to the images that wait for a label.
 * @param {Held} image
 * @returns {Promise<string>} Its id there.
 * @throws {Error} With the server's sentence.
 */
export async function keep({ file, isDicom }) {
  const form = new FormData();
  form.append("file", file, file.name);
  // DICOM brings its own id; of other files the name becomes one.
  const query = isDicom ? "" : `?image=${encodeURIComponent(idFrom(file.name))}`;
  const { image } = await (await ask(`datastore/image${query}`, { method: "PUT", body: form })).json();
  return image;
}

/**
 * @param {string} name Of a file.
 * @returns {string} What ids may be: letters, digits, dots, underscores and hyphens.
 */
export function idFrom(name) {
  const stem = name.replace(/\.(nii\.gz|[^.]*)$/i, "");
  const plain = stem.normalize("NFKD").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/\.{2,}/g, ".");
  return plain.replace(/^[^A-Za-z0-9]+|-+$/g, "").slice(0, 128) || "image";
}
