// @ts-check

/** Longer than this without a touch, and the reader is taken to be elsewhere. */
const IDLE_MS = 120_000;

/** Seconds that a reader looks at an image: it runs while the image is open, the window is seen, and he touches it now and then. */
export class Stopwatch {
  /** @param {() => number} now Milliseconds. */
  constructor(now) {
    this.now = now;
    this.spent = 0;
    /** @type {number | null} */
    this.began = null;
    this.touched = 0;
  }

  start() {
    if (this.began !== null) return;
    this.began = this.touched = this.now();
  }

  stop() {
    this.spent += this.#running;
    this.began = null;
  }

  /** The reader is there: he moved the mouse, or pressed a key. */
  touch() {
    if (this.began === null) return;
    this.stop();
    this.start();
  }

  /** A new count, going on if it ran. */
  reset() {
    this.spent = 0;
    if (this.began !== null) this.began = this.touched = this.now();
  }

  /** @returns {number} Milliseconds since it began to run, without what he was away. */
  get #running() {
    return this.began === null ? 0 : Math.min(this.now(), this.touched + IDLE_MS) - this.began;
  }

  get seconds() {
    return Math.round((this.spent + this.#running) / 100) / 10;
  }
}
