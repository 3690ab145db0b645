// @ts-check
// Undo. The viewer's own history is used, so that its buttons, ctrl+z and ours are one and the same; masks
// that are written at once (the AI's, a removed lesion) enter it as a picture of before and after. It is emptied when
// another picture is opened: nothing that is out of sight is ever changed.

import { pack, unpack } from "./packing.js";

/** @typedef {import("./host.js").Host} Host */

export class History {
  /** @param {Host} host */
  constructor(host) {
    this.host = host;
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

  clear() {
    const memos = this.#memos;
    memos.size = memos.size; // setting the size empties it
  }

  /**
   * @param {Uint8Array} before
   * @param {Uint8Array} after
   * @param {(mask: Uint8Array) => void} write
   */
  record(before, after, write) {
    const [old, now] = [pack(before), pack(after)];
    this.#memos.push({
      id: crypto.randomUUID(),
      operationType: "labelmap",
      /** @param {boolean} [isUndo] */
      restoreMemo: (isUndo) => write(unpack(isUndo === false ? now : old)),
    });
  }
}
