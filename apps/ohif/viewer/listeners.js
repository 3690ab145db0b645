// @ts-check

/**
 * Who wants to hear of something.
 * @template T
 */
export class Listeners {
  constructor() {
    /** @type {Set<(told: T) => void>} */
    this.all = new Set();
  }

  /**
   * @param {(told: T) => void} listener
   * @returns {() => void} Takes it away again.
   */
  add(listener) {
    this.all.add(listener);
    return () => void this.all.delete(listener);
  }

  /** @param {T} told */
  tell(told) {
    for (const listener of this.all) listener(told);
  }
}
