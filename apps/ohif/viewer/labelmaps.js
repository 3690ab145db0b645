// @ts-check
// Masks in the viewer. One segmentation for each display set; it names a mask for every picture of the display set from
// the beginning, but a mask is only made when its picture is looked at, and packed away when too many were made: a
// cine of 300 frames would take a quarter of a gigabyte. Everything is kept by the picture's own id: what the
// viewer scrolls to can never decide whose mask is read or written.

import { pack, unpack } from "./packing.js";
import { MAX_LESIONS } from "./components.js";

/** @typedef {import("./packing.js").PackedMask} PackedMask */
/** @typedef {import("./watching.js").View} View */
/** @typedef {import("./host.js").Host} Host */

/** Bytes of masks that are unpacked at once, and how many there are at least. */
const BUDGET_BYTES = 48 * 1024 * 1024;
const FEWEST = 4;

/** The mask was to be drawn on a picture that is not open any more. */
export class NotOpenError extends Error {
  /** @param {string} imageId */
  constructor(imageId) {
    super(`image ${imageId} is not the open one`);
    this.name = "NotOpenError";
  }
}

/**
 * @typedef {object} Live
 * @property {string} maskId The drawing library's id of the mask.
 * @property {string} segmentationId
 * @property {number} rows
 * @property {number} columns
 */

export class Labelmaps {
  /**
   * @param {Host} host
   * @param {number} [budget] Bytes.
   */
  constructor(host, budget = BUDGET_BYTES) {
    this.host = host;
    this.budget = budget;
    /** @type {Map<string, Live>} Longest not looked at first. */
    this.live = new Map();
    /** @type {Map<string, PackedMask>} */
    this.shelf = new Map();
  }

  /**
   * Gives the open picture a mask, with what was on it before.
   * @param {View} view
   * @returns {Promise<Live>}
   */
  async prepare(view) {
    const { segmentationService } = this.host.services;
    const segmentationId = `sonoloop:${view.displaySet.displaySetInstanceUID}`;
    const viewed = view.viewport.getImageIds();
    const maskId = nameOf(segmentationId, viewed.indexOf(view.viewedId));
    this.#make(view, maskId, segmentationId);
    if (!segmentationService.getSegmentation(segmentationId)) this.#announce(view, segmentationId, viewed);
    const { viewportId } = view;
    if (!segmentationService.getSegmentationRepresentations(viewportId, { segmentationId }).length) {
      await segmentationService.addSegmentationRepresentation(viewportId, { segmentationId, type: "Labelmap" });
    }
    segmentationService.setActiveSegmentation(viewportId, segmentationId);
    const live = this.live.get(view.image.imageId);
    if (!live) throw new NotOpenError(view.image.imageId);
    this.#check(view, live);
    this.redraw(live);
    return live;
  }

  /**
   * @param {string} imageId
   * @returns {Uint8Array | null} A copy; null when it has none.
   */
  read(imageId) {
    const data = this.#dataOf(imageId);
    if (data) return Uint8Array.from(data);
    const packed = this.shelf.get(imageId);
    return packed ? unpack(packed) : null;
  }

  /**
   * @param {string} imageId
   * @param {Uint8Array} mask
   * @throws {NotOpenError} When the picture has no mask to write on.
   */
  write(imageId, mask) {
    const live = this.live.get(imageId);
    const image = live && this.#imageOf(live.maskId);
    if (!live || !image) throw new NotOpenError(imageId);
    if (mask.length !== live.rows * live.columns) {
      throw new RangeError(`a mask of ${mask.length} pixels does not fit ${live.columns} x ${live.rows}`);
    }
    const data = image.voxelManager.getScalarData();
    data.set(mask);
    image.voxelManager.setScalarData?.(data);
    this.redraw(live);
  }

  /** @param {string} imageId */
  forget(imageId) {
    const live = this.live.get(imageId);
    if (live) this.#unmake(imageId, live);
    this.shelf.delete(imageId);
  }

  /** Packs everything away: the viewer drops its pictures when it goes to another study. */
  packAll() {
    for (const [imageId, live] of [...this.live]) this.#unmake(imageId, live);
  }

  /** @param {Live} live */
  redraw({ segmentationId }) {
    const { segmentation } = this.host.libraries.cornerstoneTools;
    segmentation.triggerSegmentationEvents.triggerSegmentationDataModified(segmentationId);
  }

  /**
   * @param {View} view
   * @param {string} maskId
   * @param {string} segmentationId
   */
  #make({ image, viewedId }, maskId, segmentationId) {
    const { imageId, rows, columns } = image;
    const old = this.live.get(imageId);
    if (old && old.maskId === maskId && this.#imageOf(maskId)) {
      this.live.delete(imageId);
      this.live.set(imageId, old); // now the one looked at last
      return;
    }
    if (old) this.#unmake(imageId, old);
    this.#makeRoom(rows * columns);
    const made = this.host.libraries.cornerstone.imageLoader.createAndCacheDerivedLabelmapImage(viewedId, { imageId: maskId });
    if (made.rows !== rows || made.columns !== columns) {
      throw new RangeError(`the viewer draws ${made.columns} x ${made.rows} pixels of an image of ${columns} x ${rows}`);
    }
    const packed = this.shelf.get(imageId);
    if (packed) made.voxelManager.getScalarData().set(unpack(packed));
    this.shelf.delete(imageId);
    this.live.set(imageId, { maskId, segmentationId, rows, columns });
  }

  /** @param {number} bytes */
  #makeRoom(bytes) {
    let taken = bytes;
    for (const { rows, columns } of this.live.values()) taken += rows * columns;
    for (const [imageId, live] of [...this.live]) {
      if (taken <= this.budget || this.live.size < FEWEST) return;
      taken -= live.rows * live.columns;
      this.#unmake(imageId, live);
    }
  }

  /**
   * @param {string} imageId
   * @param {Live} live
   */
  #unmake(imageId, live) {
    const data = this.#dataOf(imageId);
    this.live.delete(imageId);
    if (!data) return;
    this.shelf.set(imageId, pack(data));
    this.host.libraries.cornerstone.cache.removeImageLoadObject(live.maskId, { force: true });
  }

  /**
   * Tells the viewer of the segmentation. Masks that are not made yet are told, too: a list with gaps would let
   * the viewer take the mask at the same place of another picture.
   * @param {View} view
   * @param {string} segmentationId
   * @param {string[]} viewed
   */
  #announce({ displaySet }, segmentationId, viewed) {
    const { cornerstone } = this.host.libraries;
    const imageIds = viewed.map((_, index) => nameOf(segmentationId, index));
    viewed.forEach((id, index) => {
      const metadata = cornerstone.metaData.get("imagePlaneModule", id);
      cornerstone.utilities.genericMetadataProvider.add(imageIds[index], { type: "imagePlaneModule", metadata });
    });
    this.host.services.segmentationService.addOrUpdateSegmentation({
      segmentationId,
      representation: { type: "Labelmap", data: { imageIds, referencedImageIds: [...viewed] } },
      config: {
        label: "Lesions",
        fallbackLabel: `S:${displaySet.SeriesNumber} ${displaySet.Modality}`,
        segments: { 1: { label: "Lesion 1", active: true } },
        cachedStats: {},
      },
    });
  }

  /**
   * Makes sure that what tools will paint on is the mask of this very picture.
   * @param {View} view
   * @param {Live} live
   */
  #check({ viewportId, image }, { segmentationId, maskId }) {
    const { state } = this.host.libraries.cornerstoneTools.segmentation;
    const painted = state.getCurrentLabelmapImageIdForViewport(viewportId, segmentationId);
    if (painted !== maskId) throw new NotOpenError(image.imageId);
  }

  /**
   * Lets tools paint a segment.
   * @param {string} imageId
   * @param {number} segment
   */
  paintWith(imageId, segment) {
    const live = this.live.get(imageId);
    if (!live || segment < 1 || segment > MAX_LESIONS) return;
    const { segmentationService } = this.host.services;
    const known = segmentationService.getSegmentation(live.segmentationId)?.segments ?? {};
    for (let index = 1; index <= segment; index += 1) {
      if (!known[index]) segmentationService.addSegment(live.segmentationId, { segmentIndex: index, label: `Lesion ${index}` });
    }
    segmentationService.setActiveSegment(live.segmentationId, segment);
  }

  /**
   * @param {View} view
   * @param {number} segment
   * @returns {string | undefined} As CSS writes it.
   */
  colourOf({ viewportId, image }, segment) {
    const live = this.live.get(image.imageId);
    const { segmentationService } = this.host.services;
    if (!live || !segmentationService.getSegmentationRepresentations(viewportId, { segmentationId: live.segmentationId }).length) return;
    const [red, green, blue] = segmentationService.getSegmentColor(viewportId, live.segmentationId, segment) ?? [];
    return red === undefined ? undefined : `rgb(${red}, ${green}, ${blue})`;
  }

  /** @param {string} imageId */
  #dataOf(imageId) {
    const live = this.live.get(imageId);
    return live ? this.#imageOf(live.maskId)?.voxelManager.getScalarData() : undefined;
  }

  /** @param {string} maskId */
  #imageOf(maskId) {
    return this.host.libraries.cornerstone.cache.getImage(maskId);
  }
}

/**
 * @param {string} segmentationId
 * @param {number} index Of the picture in its display set.
 */
function nameOf(segmentationId, index) {
  return `derived:${segmentationId}:${index}`;
}
