// @ts-check
// Undo. The viewer's own history is used, so that its buttons, ctrl+z and ours are one and the same; but its steps are
// ours: masks before and after, whoever changed them. So the AI's mask, a removed lesion and an outline are undone as a
// stroke of the brush is. It begins anew with every picture: nothing that is out of sight is ever changed.

import { areSame, pack, unpack } from "./packing.js";

/** @typedef {import("./packing.js").PackedMask} PackedMask */
/** @typedef {import("./host.js").Host} Host */

const MOST = 50;

export class History {
  /**
   * @param {Pick<Host, "libraries">} host
   * @param {(mask: Uint8Array) => void} write Shows a mask on the open picture.
   */
  constructor(host, write) {
    this.host = host;
    this.write = write;
    /** @type {PackedMask | null} The mask as it was last seen. */
    this.seen = null;
    /** @type {{ before: PackedMask, after: PackedMask }[]} */
    this.steps = [];
    /** Steps that are done and not undone. */
    this.done = 0;
  }

  /** @returns {any} */
  get #memos() {
    return this.host.libraries.cornerstone.utilities.HistoryMemo.DefaultHistoryMemo;
  }

  get canUndo() {
    return Boolean(this.#memos.canUndo);
  }

  get canRedo() {
    return Boolean(this.#memos.canRedo);
  }

  undo() {
    this.#memos.undo();
  }

  redo() {
    this.#memos.redo();
  }

  /**
   * Forgets every step.
   * @param {Uint8Array | null} mask What is shown now.
   */
  begin(mask) {
    this.seen = mask && pack(mask);
    this.steps = [];
    this.done = 0;
    this.#fill();
  }

  /**
   * Takes note of a mask that has changed.
   * @param {Uint8Array} mask
   */
  note(mask) {
    const after = pack(mask);
    const before = this.seen;
    this.seen = after;
    if (!before || areSame(before, after)) return;
    this.steps = [...this.steps.slice(0, this.done), { before, after }].slice(-MOST);
    this.done = this.steps.length;
    this.#fill();
  }

  /** Puts our steps in the place of those that tools have left: not every tool can take back what it did. */
  #fill() {
    const memos = this.#memos;
    memos.size = MOST; // setting the size empties it
    this.steps.forEach(({ before, after }, number) => {
      memos.push({
        id: crypto.randomUUID(),
        operationType: "labelmap",
        /** @param {boolean} [isUndo] */
        restoreMemo: (isUndo) => {
          const undone = isUndo !== false;
          this.done = undone ? number : number + 1;
          this.seen = undone ? before : after;
          this.write(unpack(this.seen));
        },
      });
    });
  }
}
