// @ts-check
// The brush's radius. The viewer takes it in the image's world units: millimetres where an image has a pixel spacing,
// pixels where it has none. 25, its default, would paint a whole picture of 0.07 mm pixels with one stroke.

/** Radius at first, as a share of the image's width. */
const SHARE = 0.02;
export const SMALLEST_PX = 1;
export const LARGEST_PX = 100;

/**
 * @param {number} columns
 * @returns {number} Radius in pixels.
 */
export function firstRadius(columns) {
  return clampRadius(Math.round(SHARE * columns));
}

/**
 * @param {number} pixels
 * @returns {number} Radius in pixels, within what makes sense; the smallest when it is no number.
 */
export function clampRadius(pixels) {
  return Number.isFinite(pixels) ? Math.min(LARGEST_PX, Math.max(SMALLEST_PX, pixels)) : SMALLEST_PX;
}

/**
 * @param {number} pixels Radius.
 * @param {number | null | undefined} spacing World units between columns, as the viewer draws the image.
 * @returns {number} Radius in world units.
 */
export function worldRadius(pixels, spacing) {
  return clampRadius(pixels) * (spacing && spacing > 0 ? spacing : 1);
}
