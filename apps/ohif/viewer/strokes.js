// @ts-check
// When a stroke is over. A tool changes the mask many times a second while it is dragged; one stroke is one step.

const SETTLE_MS = 80;

export class Strokes {
  /** @param {() => void} over Called when a change, or the last of many, is done. */
  constructor(over) {
    this.over = over;
    this.pressed = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /**
   * @param {Pick<Window, "addEventListener" | "removeEventListener">} page Where the mouse is pressed.
   * @returns {() => void} Ends it.
   */
  watch(page) {
    const press = () => {
      this.pressed = true;
    };
    const release = () => {
      this.pressed = false;
      if (this.timer !== undefined) this.changed();
    };
    const heard = /** @type {const} */ ([["pointerdown", press], ["pointerup", release], ["pointercancel", release]]);
    for (const [name, hear] of heard) page.addEventListener(name, hear, true);
    return () => {
      for (const [name, hear] of heard) page.removeEventListener(name, hear, true);
      this.forget();
    };
  }

  /** The mask has changed. */
  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (!this.pressed) this.finish();
    }, SETTLE_MS);
  }

  /** Ends a stroke at once, for instance because the picture is left. */
  finish() {
    if (this.timer === undefined) return;
    this.forget();
    this.over();
  }

  forget() {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
