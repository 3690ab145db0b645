// @ts-check
// Ids: those of the server (SOPInstanceUID, with `_f<k>` for frame k of a cine, k from 0) and those of the
// viewer's images, which end in `/frames/<n>`, n from 1 (DICOM PS3.18, 10.1: frames are counted from 1).

/**
 * @param {string} sop SOPInstanceUID.
 * @param {number | null} frame From 0; null for a picture of one frame.
 * @returns {string} The id that the server's routes take.
 */
export function imageIdOf(sop, frame) {
  return frame === null ? sop : `${sop}_f${frame}`;
}

/**
 * @param {string} imageId As the server tells it.
 * @returns {{ sop: string, frame: number | null }}
 */
export function partsOf(imageId) {
  const parts = /^(.+)_f(\d+)$/.exec(imageId);
  return parts?.[1] && parts[2] ? { sop: parts[1], frame: Number(parts[2]) } : { sop: imageId, frame: null };
}

/**
 * @param {string} viewed The viewer's id of an image, such as `wadors:/dicom-web/.../instances/1.2.3/frames/4`.
 * @param {number} frames Number of frames of the instance.
 * @returns {number | null} Frame from 0; null for an instance of one frame.
 */
export function frameOf(viewed, frames) {
  if (frames <= 1) return null;
  const told = /\/frames\/(\d+)/.exec(viewed) ?? /[?&]frame=(\d+)/.exec(viewed);
  return told ? Number(told[1]) - 1 : 0;
}

/**
 * @param {string} search The query of the window's address.
 * @returns {string | null} Id of the image it opens; null when it names none.
 */
export function imageOfAddress(search) {
  const query = new Map([...new URLSearchParams(search)].map(([name, value]) => [name.toLowerCase(), value]));
  const sop = query.get("initialsopinstanceuid")?.split(",")[0];
  const frame = query.get("frame");
  if (!sop) return null;
  return imageIdOf(sop, frame && /^\d+$/.test(frame) ? Number(frame) : null);
}
