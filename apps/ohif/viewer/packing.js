// @ts-check
// Masks packed by run lengths: an outlined lesion of a million pixels is a few kilobytes.

/**
 * @typedef {object} PackedMask
 * @property {number} length Pixels.
 * @property {Uint32Array} ends Where runs end, one behind their last pixel, ascending.
 * @property {Uint8Array} values Value of each run.
 */

/**
 * @param {Uint8Array} mask
 * @returns {PackedMask}
 */
export function pack(mask) {
  const ends = [];
  const values = [];
  for (let at = 0; at < mask.length; ) {
    const value = /** @type {number} */ (mask[at]);
    let end = at + 1;
    while (end < mask.length && mask[end] === value) end += 1;
    ends.push(end);
    values.push(value);
    at = end;
  }
  return { length: mask.length, ends: Uint32Array.from(ends), values: Uint8Array.from(values) };
}

/**
 * @param {PackedMask} packed
 * @returns {Uint8Array}
 */
export function unpack({ length, ends, values }) {
  const mask = new Uint8Array(length);
  let from = 0;
  ends.forEach((end, run) => {
    const value = /** @type {number} */ (values[run]);
    if (value) mask.fill(value, from, end);
    from = end;
  });
  return mask;
}

/**
 * @param {PackedMask} one
 * @param {PackedMask} other
 * @returns {boolean}
 */
export function areSame(one, other) {
  return (
    one.length === other.length &&
    one.ends.length === other.ends.length &&
    one.ends.every((end, run) => end === other.ends[run] && one.values[run] === other.values[run])
  );
}

/**
 * @param {PackedMask} packed
 * @returns {boolean}
 */
export function isBlank({ values }) {
  return values.every((value) => value === 0);
}
