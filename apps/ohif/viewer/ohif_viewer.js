// @ts-check
// The viewer as the review knows it (viewer/types.d.ts), on OHIF.

import { History } from "./history.js";
import { imageIdOf, imageOfAddress } from "./ids.js";
import { Labelmaps, NotOpenError } from "./labelmaps.js";
import { Listeners } from "./listeners.js";
import { addressOf, loginAddress, routeOf } from "./navigation.js";
import { bring } from "./opening.js";
import { Overlay } from "./overlay.js";
import { Strokes } from "./strokes.js";
import { Tools } from "./tools.js";
import { coming, placeOf, view, watch } from "./watching.js";

/** @typedef {import("./watching.js").View} View */
/** @typedef {import("./types").Opened} Opened */
/** @typedef {import("./types").Viewer} Viewer */
/** @typedef {import("../review/types").Tool} Tool */

/** @implements {Viewer} */
export class OhifViewer {
  /** @param {import("./host.js").Host} host */
  constructor(host) {
    this.host = host;
    this.masks = new Labelmaps(host);
    this.history = new History(host, (mask) => this.current && this.masks.write(this.current.image.imageId, mask));
    this.tools = new Tools(host);
    this.shade = new Overlay();
    /** @type {View | null} */
    this.current = null;
    this.openings = /** @type {Listeners<Opened | null>} */ (new Listeners());
    this.strokesDone = /** @type {Listeners<string>} */ (new Listeners());
    this.comings = /** @type {Listeners<string>} */ (new Listeners());
    /** @type {(() => void)[]} */
    this.stops = [];
    this.strokes = new Strokes(() => this.#painted());
    this.writing = false;
    this.wantedFrame = "";
    /** @type {Tool | null} The one in hand. */
    this.tool = null;
    this.hasNewTools = true;
  }

  /** Begins to look; to be called when OHIF has entered the mode. */
  start() {
    const { cornerstone, cornerstoneTools } = this.host.libraries;
    const modified = cornerstoneTools.Enums.Events.SEGMENTATION_DATA_MODIFIED;
    const changed = () => {
      if (!this.writing && this.current) this.strokes.changed();
    };
    cornerstone.eventTarget.addEventListener(modified, changed);
    this.stops = [
      this.strokes.watch(window),
      watch(this.host, () => this.#look()),
      () => cornerstone.eventTarget.removeEventListener(modified, changed),
    ];
    this.wantedFrame = imageOfAddress(window.location.search) ?? "";
    this.hasNewTools = true;
    this.#look();
  }

  /** Ends it; to be called when OHIF leaves the mode. */
  stop() {
    this.strokes.finish();
    for (const stop of this.stops) stop();
    this.stops = [];
    this.shade.hide();
    this.masks.packAll();
    this.#open(null);
  }

  /** @returns {Opened | null} */
  opened() {
    return this.current && { image: this.current.image, frames: this.current.frames };
  }

  /** @param {(opened: Opened | null) => void} listener */
  onOpened(listener) {
    return this.openings.add(listener);
  }

  /** @param {(imageId: string) => void} listener */
  onComing(listener) {
    return this.comings.add(listener);
  }

  /** @param {(imageId: string) => void} listener */
  onPainted(listener) {
    return this.strokesDone.add(listener);
  }

  /** @param {(tool: Tool | null) => void} listener */
  onTool(listener) {
    return this.tools.onTaken((tool) => {
      this.tool = tool;
      listener(tool);
    });
  }

  /** @param {string} imageId */
  read(imageId) {
    return this.masks.read(imageId);
  }

  /** @type {Viewer["write"]} */
  write(imageId, mask, { undoable }) {
    if (this.#now()?.image.imageId !== imageId) throw new NotOpenError(imageId);
    this.#quietly(() => this.masks.write(imageId, mask));
    if (undoable) this.history.note(mask);
    else this.history.begin(mask);
  }

  /** @param {string} imageId */
  async prepare(imageId) {
    const now = this.#now();
    if (now?.image.imageId !== imageId) return false;
    this.writing = true;
    try {
      await this.masks.prepare(now);
      this.#takeAgain();
    } finally {
      this.writing = false;
    }
    if (this.#now()?.image.imageId !== imageId) return false;
    if (!this.history.seen) this.history.begin(this.masks.read(imageId));
    return true;
  }

  /** OHIF puts every tool down when it goes to another study. */
  #takeAgain() {
    if (this.hasNewTools && this.tool) this.tools.take(this.tool);
    else this.tools.renew();
    this.hasNewTools = false;
  }

  /** @param {string} imageId */
  forget(imageId) {
    if (this.current?.image.imageId !== imageId) this.masks.forget(imageId);
  }

  /** @param {number} segment */
  paintWith(segment) {
    const imageId = this.current?.image.imageId;
    if (imageId) this.#quietly(() => this.masks.paintWith(imageId, segment));
  }

  /** @param {number} segment */
  colourOf(segment) {
    return this.current ? this.masks.colourOf(this.current, segment) : undefined;
  }

  /** @param {Tool} tool */
  setTool(tool) {
    this.tool = tool;
    this.tools.take(tool);
  }

  /** @param {number} radiusPx */
  setBrush(radiusPx) {
    if (this.current) this.tools.setBrush(radiusPx, this.current.viewport);
  }

  /** @type {Viewer["setThreshold"]} */
  setThreshold(low, high) {
    this.tools.setThreshold(low, high);
  }

  undo() {
    this.history.undo();
  }

  redo() {
    this.history.redo();
  }

  canUndo() {
    return this.history.canUndo;
  }

  canRedo() {
    return this.history.canRedo;
  }

  /** @type {Viewer["overlay"]} */
  overlay(imageId, picture) {
    if (!picture) return this.shade.hide();
    const now = this.#now();
    if (now?.image.imageId !== imageId) throw new NotOpenError(imageId);
    this.shade.show(imageId, picture, now.viewport);
    this.shade.follow(imageId, now.image, now.viewport);
  }

  /** @param {number} frame */
  async openFrame(frame) {
    await this.current?.viewport.setImageIdIndex(frame);
  }

  /** @param {{ study: string, series: string, sop: string, frame: number | null }} image */
  goTo(image) {
    const viewport = this.current?.viewport;
    const place = viewport ? placeOf(this.host, viewport, image) : -1;
    if (place < 0) {
      this.host.run("navigateHistory", { to: routeOf(image) });
      this.wantedFrame = imageIdOf(image.sop, image.frame);
      return;
    }
    // To open the study that is open already would take it down first.
    window.history.replaceState(window.history.state, "", addressOf(window.location.pathname, image));
    void viewport.setImageIdIndex(place);
    this.#look(); // it may be the open one
  }

  /** @param {boolean} beside */
  login(beside) {
    if (beside) window.open(loginAddress(null), "_blank");
    else window.location.assign(loginAddress(window.location));
  }

  /** @returns {View | null} What is drawn at this very moment. */
  #now() {
    return view(this.host);
  }

  #look() {
    const now = this.#now();
    if (now && this.#goesOn(now)) return;
    if (!now && !this.current) this.#comes();
    if (now && this.current) this.shade.follow(now.image.imageId, now.image, now.viewport);
    if (now ? now.viewedId !== this.current?.viewedId || now.viewport !== this.current.viewport : this.#isGone()) this.#open(now);
  }

  /** Tells what the viewer is about to draw, unless the address has told it already. */
  #comes() {
    const imageId = imageOfAddress(window.location.search) ?? coming(this.host);
    if (imageId) this.comings.tell(imageId);
  }

  /** @param {View} now */
  #goesOn(now) {
    const how = bring(this.host, now, this.wantedFrame);
    if (how === "there") this.wantedFrame = "";
    return how === "coming";
  }

  /** @returns {boolean} True when the viewport of the open image has left the screen. */
  #isGone() {
    return this.current !== null && !this.current.viewport.element?.isConnected;
  }

  /** @param {View | null} now */
  #open(now) {
    this.strokes.finish();
    this.current = now;
    this.history.begin(null);
    this.openings.tell(this.opened());
  }

  #painted() {
    const imageId = this.current?.image.imageId;
    const mask = imageId && this.masks.read(imageId);
    if (!imageId || !mask) return;
    this.history.note(mask);
    this.strokesDone.tell(imageId);
  }

  /**
   * What we write ourselves is no stroke of the reader's.
   * @template T
   * @param {() => T} work
   * @returns {T}
   */
  #quietly(work) {
    this.writing = true;
    try {
      return work();
    } finally {
      this.writing = false;
    }
  }
}
