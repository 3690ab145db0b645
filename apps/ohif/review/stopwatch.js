// @ts-check

/** Seconds that a reader looks at an image: it runs while the image is open and the window is seen. */
export class Stopwatch {
  /** @param {() => number} now Milliseconds. */
  constructor(now) {
    this.now = now;
    this.spent = 0;
    /** @type {number | null} */
    this.began = null;
  }

  start() {
    this.began ??= this.now();
  }

  stop() {
    if (this.began !== null) this.spent += this.now() - this.began;
    this.began = null;
  }

  /** A new count, going on if it ran. */
  reset() {
    this.spent = 0;
    if (this.began !== null) this.began = this.now();
  }

  get seconds() {
    const running = this.began === null ? 0 : this.now() - this.began;
    return Math.round((this.spent + running) / 100) / 10;
  }
}
