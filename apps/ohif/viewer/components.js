// @ts-check
// Lesions in a mask: parts that hang together become segments of their own, and segments have areas.

/** Segments at most: the server takes no more names of segments in one label. */
export const MAX_LESIONS = 64;

/**
 * Numbers what hangs together (neighbours by side or corner, as the server counts lesions), the largest part first.
 * @param {Uint8Array} mask Row after row; what is not 0 is lesion.
 * @param {number} columns
 * @returns {Uint8Array} 0, or the number of the lesion from 1; parts beyond the sixty-fourth share the last number.
 */
export function separate(mask, columns) {
  const { parts, sizes } = partsOf(mask, columns);
  const order = sizes.map((_, part) => part).slice(1).sort((a, b) => count(sizes, b) - count(sizes, a) || a - b);
  const numbers = new Uint8Array(sizes.length);
  order.forEach((part, rank) => (numbers[part] = Math.min(rank + 1, MAX_LESIONS)));
  return Uint8Array.from(parts, (part) => /** @type {number} */ (numbers[part]));
}

/**
 * Lesions of a mask that the server keeps: as they were told apart, or else what hangs together.
 * @param {Uint8Array} mask
 * @param {number} columns
 * @returns {Uint8Array} 0, or the number of the lesion from 1.
 */
export function lesionsOf(mask, columns) {
  return mask.some((value) => value > 1) ? mask : separate(mask, columns);
}

/**
 * @param {Uint8Array} mask
 * @param {number} columns
 */
function partsOf(mask, columns) {
  const rows = mask.length / columns;
  const parts = new Int32Array(mask.length);
  const sizes = [0];
  const waiting = [];
  for (let start = 0; start < mask.length; start += 1) {
    if (!mask[start] || parts[start]) continue;
    const part = sizes.length;
    sizes.push(0);
    parts[start] = part;
    waiting.push(start);
    while (waiting.length) {
      const at = /** @type {number} */ (waiting.pop());
      sizes[part] = count(sizes, part) + 1;
      const column = at % columns;
      const row = (at - column) / columns;
      for (let r = Math.max(0, row - 1); r <= Math.min(rows - 1, row + 1); r += 1) {
        for (let c = Math.max(0, column - 1); c <= Math.min(columns - 1, column + 1); c += 1) {
          const next = r * columns + c;
          if (mask[next] && !parts[next]) {
            parts[next] = part;
            waiting.push(next);
          }
        }
      }
    }
  }
  return { parts, sizes };
}

/**
 * @param {number[]} sizes
 * @param {number} part
 */
function count(sizes, part) {
  return sizes[part] ?? 0;
}

/**
 * @param {Uint8Array} mask
 * @returns {Map<number, number>} Pixels of each segment, by its number, ascending.
 */
export function areasOf(mask) {
  const counts = new Uint32Array(256);
  for (const value of mask) counts[value] = (counts[value] ?? 0) + 1;
  /** @type {Map<number, number>} */
  const areas = new Map();
  counts.forEach((pixels, segment) => segment && pixels && areas.set(segment, pixels));
  return areas;
}

/**
 * @param {Uint8Array} mask
 * @param {number} segment
 * @returns {Uint8Array} A copy without that segment.
 */
export function without(mask, segment) {
  return mask.map((value) => (value === segment ? 0 : value));
}
