// @ts-check
// A picture with its mask over it. Drawing only: what is measured is measured by the server.

const TINT = [255, 143, 107];
export const USUAL_FILL = 0.22;

/**
 * A mask, prepared for drawing often: numbers of its pixels (y * width + x), those on the edge apart.
 * @typedef {{width: number, height: number, edge: number[], inner: number[], box: DOMRect | null}} Outline
 */

/**
 * @param {Blob} file Label map as PNG, 1 on the lesion.
 * @returns {Promise<Outline>}
 */
export async function outlineOf(file) {
  /** @type {ImageBitmapOptions} */
  const plain = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(new Blob([file], { type: "image/png" }), plain);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(bitmap, 0, 0);
  return traced(context.getImageData(0, 0, bitmap.width, bitmap.height));
}

/**
 * @param {ImageData} mask
 * @returns {Outline}
 */
function traced({ data, width, height }) {
  const inside = (/** @type {number} */ x, /** @type {number} */ y) =>
    x >= 0 && x < width && y >= 0 && y < height && data[4 * (y * width + x)] > 0;
  /** @type {number[]} */
  const edge = [];
  /** @type {number[]} */
  const inner = [];
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (!data[4 * (y * width + x)]) continue;
      const within = inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1);
      (within ? inner : edge).push(y * width + x);
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x + 1);
      bottom = Math.max(bottom, y + 1);
    }
  }
  const box = right > left ? new DOMRect(left, top, right - left, bottom - top) : null;
  return { width, height, edge, inner, box };
}

/**
 * @param {HTMLCanvasElement} canvas Takes the size of the picture.
 * @param {ImageBitmap} picture
 * @param {Outline | null} outline Null draws the picture alone.
 * @param {number} [fill] How much of the tint lies on the inside, in [0, 1].
 */
export function draw(canvas, picture, outline, fill = USUAL_FILL) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.hidden = false;
  const context = /** @type {CanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  context.drawImage(picture, 0, 0);
  if (!outline?.box) return;
  const { x: left, y: top, width, height } = outline.box;
  const pixels = context.getImageData(left, top, width, height);
  const tint = (/** @type {number[]} */ where, /** @type {number} */ weight) => {
    for (const pixel of where) {
      const column = (pixel % outline.width) - left;
      const row = Math.floor(pixel / outline.width) - top;
      const start = 4 * (row * width + column);
      TINT.forEach((value, channel) => {
        const before = pixels.data[start + channel];
        pixels.data[start + channel] = before + weight * (value - before);
      });
    }
  };
  tint(outline.inner, fill);
  tint(outline.edge, 1);
  context.putImageData(pixels, left, top);
}

/**
 * Writes the number of each lesion at the upper left of its box, from 1.
 * @param {HTMLCanvasElement} canvas What was drawn.
 * @param {Array<[number, number, number, number]>} boxes [top, left, bottom, right], in pixels.
 */
export function numbered(canvas, boxes) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const size = Math.max(12, Math.round(canvas.width / 45));
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.lineWidth = size / 5;
  context.strokeStyle = "#000";
  context.fillStyle = "#fff";
  boxes.forEach(([top, left], index) => {
    const at = /** @type {const} */ ([Math.max(left - size, 2), Math.max(top, size)]);
    context.strokeText(String(index + 1), ...at);
    context.fillText(String(index + 1), ...at);
  });
}
