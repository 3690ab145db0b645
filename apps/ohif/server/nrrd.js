// @ts-check
// Masks as NRRD, as much of it as the server and the viewer exchange: 8-bit, one plane, raw or gzip.
// Format: https://teem.sourceforge.net/nrrd/format.html

/**
 * @typedef {object} Plane
 * @property {number} columns
 * @property {number} rows
 * @property {Uint8Array} data Row after row.
 */

const EIGHT_BIT = new Set(["uchar", "unsigned char", "uint8", "uint8_t"]);
const GZIP = new Set(["gzip", "gz"]);
const MAX_HEADER_BYTES = 64 * 1024;
const MAX_PIXELS = 64 * 1024 * 1024;

/** A file that is not such a mask. */
export class NrrdError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "NrrdError";
  }
}

/**
 * @param {ArrayBuffer | Uint8Array} file
 * @returns {Promise<Plane>}
 * @throws {NrrdError}
 */
export async function readNrrd(file) {
  const bytes = file instanceof Uint8Array ? file : new Uint8Array(file);
  const { fields, body } = split(bytes);
  const [columns, rows] = sizesOf(fields);
  if (!EIGHT_BIT.has(fields.type ?? "")) throw new NrrdError(`the mask is of type ${fields.type}, not uint8`);
  const length = columns * rows;
  const data = await unpacked(fields.encoding ?? "", body, length);
  if (data.length < length) throw new NrrdError(`the mask is cut: ${data.length} of ${length} pixels`);
  if (data.length > length) throw new NrrdError(`the mask has ${data.length} pixels, but its header tells ${length}`);
  return { columns, rows, data };
}

/**
 * @param {Plane} plane
 * @returns {Uint8Array} A file of (columns, rows, 1) voxels, raw.
 * @throws {NrrdError}
 */
export function writeNrrd({ columns, rows, data }) {
  if (data.length !== columns * rows) {
    throw new NrrdError(`${data.length} pixels are no mask of ${columns} x ${rows}`);
  }
  const head = new TextEncoder().encode(
    ["NRRD0004", "type: uint8", "dimension: 3", `sizes: ${columns} ${rows} 1`, "encoding: raw", "", ""].join("\n"),
  );
  const file = new Uint8Array(head.length + data.length);
  file.set(head);
  file.set(data, head.length);
  return file;
}

/**
 * @param {Uint8Array} bytes
 * @returns {{ fields: Record<string, string>, body: Uint8Array }}
 */
function split(bytes) {
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== "NRRD") throw new NrrdError("the mask is no NRRD file");
  const limit = Math.min(bytes.length, MAX_HEADER_BYTES);
  for (let at = 4; at + 1 < limit; at += 1) {
    const next = bytes[at + 1] === 13 ? 2 : 1; // a line may end with CR LF
    if (bytes[at] === 10 && bytes[at + next] === 10) {
      const lines = new TextDecoder().decode(bytes.subarray(0, at)).split(/\r?\n/);
      return { fields: fieldsOf(lines.slice(1)), body: bytes.subarray(at + next + 1) };
    }
  }
  throw new NrrdError("the header of the mask has no end");
}

/** @param {string[]} lines */
function fieldsOf(lines) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of lines.map((text) => text.trimEnd())) {
    const told = /^([^#:][^:]*):\s(.*)$/.exec(line);
    if (told?.[1] !== undefined && told[2] !== undefined) fields[told[1]] = told[2].trim();
  }
  return fields;
}

/**
 * @param {Record<string, string>} fields
 * @returns {[number, number]} Columns and rows.
 */
function sizesOf(fields) {
  const sizes = (fields.sizes ?? "").split(/\s+/).map(Number);
  const [columns = 0, rows = 0, ...others] = sizes;
  const fits = columns > 0 && rows > 0 && columns * rows <= MAX_PIXELS && others.every((size) => size === 1);
  if (!fits || !sizes.every(Number.isInteger)) throw new NrrdError(`a mask has one plane, not sizes ${fields.sizes}`);
  return [columns, rows];
}

/**
 * @param {string} encoding
 * @param {Uint8Array} body
 * @param {number} length Bytes that are expected.
 * @returns {Promise<Uint8Array>}
 */
async function unpacked(encoding, body, length) {
  if (encoding === "raw") return body.slice();
  if (!GZIP.has(encoding)) throw new NrrdError(`the mask is packed as ${encoding} (raw and gzip are read)`);
  const stream = new Blob([/** @type {BlobPart} */ (body)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = new Uint8Array(length + 1); // one more shows that there was too much
  let filled = 0;
  try {
    for (const reader = stream.getReader(); filled <= length; ) {
      const { done, value } = await reader.read();
      if (done) break;
      data.set(value.subarray(0, data.length - filled), filled);
      filled += Math.min(value.length, data.length - filled);
    }
  } catch {
    throw new NrrdError("the mask cannot be unpacked");
  }
  return data.subarray(0, filled);
}
