// A viewer without a screen: it shows one image at a time and keeps a mask for each.

/** @implements {import("../../../apps/ohif/viewer/types").Viewer} */
export class FakeViewer {
  constructor() {
    this.masks = new Map();
    this.tools = [];
    this.went = [];
    this.overlaid = null;
    this.segment = 0;
    this.brush = 0;
    this.now = null;
    this.past = [];
    this.future = [];
    this.opening = [];
    this.painting = [];
  }

  opened() {
    return this.now;
  }

  onOpened(listener) {
    this.opening.push(listener);
    return () => {};
  }

  onPainted(listener) {
    this.painting.push(listener);
    return () => {};
  }

  onComing(listener) {
    this.comes = listener;
    return () => {};
  }

  onTool() {
    return () => {};
  }

  /** Shows another image, as a reader who scrolls. */
  show(image, frames = 1) {
    this.now = image && { image, frames };
    [this.past, this.future] = [[], []];
    for (const listener of this.opening) listener(this.now);
  }

  /** Paints pixels of the open image, as a tool. */
  paint(pixels, value = 1) {
    const { imageId } = this.now.image;
    const before = Uint8Array.from(this.masks.get(imageId));
    for (const pixel of pixels) this.masks.get(imageId)[pixel] = value;
    this.#remember(imageId, before);
    for (const listener of this.painting) listener(imageId);
  }

  #remember(imageId, before) {
    this.past.push({ imageId, before, after: Uint8Array.from(this.masks.get(imageId)) });
    this.future = [];
  }

  read(imageId) {
    const mask = this.masks.get(imageId);
    return mask ? Uint8Array.from(mask) : null;
  }

  write(imageId, mask, { undoable }) {
    if (this.now?.image.imageId !== imageId) throw new Error(`wrote the mask of ${imageId} on ${this.now?.image.imageId}`);
    const before = this.masks.get(imageId);
    this.masks.set(imageId, Uint8Array.from(mask));
    if (undoable) this.#remember(imageId, before);
  }

  async prepare(imageId) {
    const { image } = this.now;
    if (image.imageId !== imageId) return false;
    if (!this.masks.has(imageId)) this.masks.set(imageId, new Uint8Array(image.rows * image.columns));
    return true;
  }

  forget(imageId) {
    if (this.now?.image.imageId !== imageId) this.masks.delete(imageId);
  }

  paintWith(segment) {
    this.segment = segment;
  }

  colourOf(segment) {
    return `rgb(${segment}, 0, 0)`;
  }

  setTool(tool) {
    this.tools.push(tool);
  }

  setBrush(radiusPx) {
    this.brush = radiusPx;
  }

  setThreshold(low, high) {
    this.threshold = [low, high];
  }

  undo() {
    const step = this.past.pop();
    if (!step) return;
    this.future.push(step);
    this.masks.set(step.imageId, Uint8Array.from(step.before));
  }

  redo() {
    const step = this.future.pop();
    if (!step) return;
    this.past.push(step);
    this.masks.set(step.imageId, Uint8Array.from(step.after));
  }

  canUndo() {
    return this.past.length > 0;
  }

  canRedo() {
    return this.future.length > 0;
  }

  overlay(_imageId, picture) {
    this.overlaid = picture;
  }

  async openFrame(frame) {
    this.frame = frame;
  }

  goTo(image) {
    this.went.push(image);
  }

  login(beside) {
    this.went.push(beside ? "login beside" : "login");
  }
}
