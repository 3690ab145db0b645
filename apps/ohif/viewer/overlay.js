// @ts-check
// A picture of the image's own grid laid over the image, kept in step with pan, zoom, flip and rotation.

/** @typedef {readonly [number, number]} Point */

export class Overlay {
  constructor() {
    /** @type {HTMLImageElement | null} */
    this.shown = null;
    this.imageId = "";
  }

  /**
   * @param {string} imageId
   * @param {Blob} picture
   * @param {any} viewport The drawing library's.
   */
  show(imageId, picture, viewport) {
    this.hide();
    const shown = document.createElement("img");
    shown.alt = "What spoke for the AI's diagnosis";
    shown.dataset.cy = "sonoloop-explanation";
    Object.assign(shown.style, { position: "absolute", left: "0", top: "0", pointerEvents: "none", transformOrigin: "0 0", maxWidth: "none" });
    shown.src = URL.createObjectURL(picture);
    viewport.canvas.parentElement.append(shown);
    this.shown = shown;
    this.imageId = imageId;
  }

  /**
   * @param {string | null} imageId The open image.
   * @param {{ rows: number, columns: number }} size
   * @param {any} viewport
   */
  follow(imageId, { rows, columns }, viewport) {
    if (!this.shown) return;
    if (imageId !== this.imageId) return this.hide();
    const data = viewport.getImageData();
    if (!data) return;
    const at = (/** @type {number} */ i, /** @type {number} */ j) => viewport.worldToCanvas(data.imageData.indexToWorld([i, j, 0]));
    this.shown.width = columns;
    this.shown.height = rows;
    this.shown.style.transform = placed(at(-0.5, -0.5), at(columns - 0.5, -0.5), at(-0.5, rows - 0.5), columns, rows);
  }

  hide() {
    if (!this.shown) return;
    URL.revokeObjectURL(this.shown.src);
    this.shown.remove();
    this.shown = null;
  }
}

/**
 * @param {Point} corner Where the picture's top left corner is on the screen,
 * @param {Point} right its top right one,
 * @param {Point} below and its bottom left one.
 * @param {number} columns
 * @param {number} rows
 * @returns {string} CSS transform that brings a picture of that size there.
 */
export function placed(corner, right, below, columns, rows) {
  const across = [(right[0] - corner[0]) / columns, (right[1] - corner[1]) / columns];
  const down = [(below[0] - corner[0]) / rows, (below[1] - corner[1]) / rows];
  return `matrix(${[...across, ...down, corner[0], corner[1]].map((value) => Number(value.toFixed(6))).join(", ")})`;
}
