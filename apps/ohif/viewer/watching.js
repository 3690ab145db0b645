// @ts-check
// What is open: the picture, and the frame of it, that the active viewport shows at this moment.

import { frameOf, imageIdOf } from "./ids.js";

/** @typedef {import("../review/types").OpenImage} OpenImage */
/** @typedef {import("./host.js").Host} Host */

/**
 * @typedef {object} View
 * @property {OpenImage} image
 * @property {number} frames
 * @property {string} viewportId
 * @property {any} viewport The drawing library's.
 * @property {string} viewedId The drawing library's id of the picture.
 * @property {any} displaySet OHIF's.
 */

const MODALITY = "US";

/**
 * @param {Host} host
 * @returns {View | null} Null while nothing is drawn, and for what is no ultrasound picture.
 */
export function view(host) {
  const { viewportGridService, displaySetService, cornerstoneViewportService } = host.services;
  const { activeViewportId, viewports } = viewportGridService.getState();
  const viewport = activeViewportId && cornerstoneViewportService.getCornerstoneViewport(activeViewportId);
  const viewedId = shownBy(viewport);
  if (!viewedId) return null;
  const instance = host.libraries.cornerstone.metaData.get("instance", viewedId);
  if (instance?.Modality !== MODALITY || !instance.Rows || !instance.Columns) return null;
  const uid = viewports.get(activeViewportId)?.displaySetInstanceUIDs?.[0];
  const displaySet = uid && displaySetService.getDisplaySetByUID(uid);
  if (!displaySet) return null;
  const frames = Number(instance.NumberOfFrames ?? 1);
  return { image: imageOf(instance, viewedId, frames), frames, viewportId: activeViewportId, viewport, viewedId, displaySet };
}

/**
 * The picture that is drawn: between a scroll and the arrival of its picture a viewport names one and shows another.
 * @param {any} viewport
 * @returns {string | null}
 */
function shownBy(viewport) {
  const named = viewport?.getCurrentImageId?.();
  if (!named) return null;
  const drawn = viewport.getCornerstoneImage?.();
  return drawn && drawn.imageId !== named ? null : named;
}

/**
 * @param {any} instance
 * @param {string} viewedId
 * @param {number} frames
 * @returns {OpenImage}
 */
function imageOf(instance, viewedId, frames) {
  const frame = frameOf(viewedId, frames);
  return Object.freeze({
    imageId: imageIdOf(instance.SOPInstanceUID, frame),
    study: instance.StudyInstanceUID,
    series: instance.SeriesInstanceUID,
    sop: instance.SOPInstanceUID,
    frame,
    rows: Number(instance.Rows),
    columns: Number(instance.Columns),
    spacing: spacingOf(instance),
  });
}

/** Code of centimetres for the directions of a region: DICOM PS3.3, C.8.5.5.1.15. */
const CENTIMETRES = 3;

/**
 * Millimetres between pixel centres, told by the one spatial region of an ultrasound picture, else by its pixel spacing.
 * @param {any} instance
 * @returns {readonly [number, number] | null} (row, column)
 */
export function spacingOf(instance) {
  const told = instance.SequenceOfUltrasoundRegions;
  const regions = told ? (Array.isArray(told) ? told : [told]) : [];
  const scales = regions
    .filter((r) => Number(r.PhysicalUnitsXDirection) === CENTIMETRES && Number(r.PhysicalUnitsYDirection) === CENTIMETRES)
    .map((r) => [10 * Math.abs(Number(r.PhysicalDeltaY)), 10 * Math.abs(Number(r.PhysicalDeltaX))]);
  const [row, column] = scales[0] ?? (instance.PixelSpacing ?? []).map(Number);
  const agree = scales.every((scale) => scale[0] === row && scale[1] === column);
  return row > 0 && column > 0 && agree ? Object.freeze([row, column]) : null;
}

/**
 * @param {Host} host
 * @param {any} viewport The drawing library's.
 * @param {{ sop: string, frame: number | null }} image
 * @returns {number} Place of the picture among those that the viewport can scroll to; -1 when it is none of them.
 */
export function placeOf(host, viewport, { sop, frame }) {
  const { metaData } = host.libraries.cornerstone;
  return viewport.getImageIds().findIndex((/** @type {string} */ viewedId) => {
    const instance = metaData.get("instance", viewedId);
    return instance?.SOPInstanceUID === sop && frameOf(viewedId, Number(instance.NumberOfFrames ?? 1)) === frame;
  });
}

/**
 * @param {Host} host
 * @returns {string | null} Id of the image that the active viewport will draw first; null while nobody knows.
 */
export function coming(host) {
  const { viewportGridService, displaySetService } = host.services;
  const { activeViewportId, viewports } = viewportGridService.getState();
  const uid = viewports.get(activeViewportId)?.displaySetInstanceUIDs?.[0];
  const instance = uid && displaySetService.getDisplaySetByUID(uid)?.instances?.[0];
  if (instance?.Modality !== MODALITY) return null;
  return imageIdOf(instance.SOPInstanceUID, Number(instance.NumberOfFrames ?? 1) > 1 ? 0 : null);
}

/**
 * Looks again whenever the viewer may show another picture.
 * @param {Host} host
 * @param {() => void} look
 * @returns {() => void} Ends it.
 */
export function watch(host, look) {
  const { viewportGridService, cornerstoneViewportService } = host.services;
  const { eventTarget, Enums, getRenderingEngines } = host.libraries.cornerstone;
  const drawn = [Enums.Events.STACK_NEW_IMAGE, Enums.Events.IMAGE_RENDERED];
  /** @type {Set<any>} */
  const watched = new Set();
  const add = (/** @type {any} */ element) => {
    if (watched.has(element)) return;
    watched.add(element);
    for (const name of drawn) element.addEventListener(name, look);
  };
  const enabled = (/** @type {any} */ event) => add(event.detail.element);
  eventTarget.addEventListener(Enums.Events.ELEMENT_ENABLED, enabled);
  for (const engine of getRenderingEngines() ?? []) {
    for (const viewport of engine.getViewports()) add(viewport.element);
  }
  const subscriptions = [
    viewportGridService.subscribe(viewportGridService.EVENTS.ACTIVE_VIEWPORT_ID_CHANGED, look),
    viewportGridService.subscribe(viewportGridService.EVENTS.GRID_STATE_CHANGED, look),
    cornerstoneViewportService.subscribe(cornerstoneViewportService.EVENTS.VIEWPORT_DATA_CHANGED, look),
  ];
  return () => {
    eventTarget.removeEventListener(Enums.Events.ELEMENT_ENABLED, enabled);
    for (const element of watched) for (const name of drawn) element.removeEventListener(name, look);
    for (const subscription of subscriptions) subscription.unsubscribe();
  };
}
