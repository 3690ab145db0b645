// @ts-check
// The tool in hand, and the explanation that lies over the image: nobody paints under it what he cannot see.

/** @typedef {import("./types").Tool} Tool */
/** @typedef {import("./work.js").Work} Work */
/** @typedef {import("./review.js").Review} Review */

/** @type {ReadonlySet<Tool>} */
const PAINTS = new Set(["brush", "eraser", "contour", "threshold"]);

export class Tools {
  /** @param {Review} review */
  constructor(review) {
    this.review = review;
    /** @type {Tool | null} What the explanation has put aside. */
    this.aside = null;
  }

  /** @param {Tool} tool */
  choose(tool) {
    if (PAINTS.has(tool)) this.hideExplanation();
    this.#take(tool);
  }

  /** @param {Tool} tool */
  #take(tool) {
    const { viewer, state } = this.review;
    if (tool === "threshold") viewer.setThreshold(...state.threshold);
    viewer.setTool(tool);
    this.review.patch({ tool });
  }

  /** @param {Work} work */
  async toggleExplanation({ imageId, prediction }) {
    if (this.review.state.explanationShown) {
      this.hideExplanation();
      return this.aside && this.#take(this.aside);
    }
    const why = prediction && !prediction.explanation.available ? prediction.explanation.reason : null;
    if (why) return this.review.say("error", why);
    const picture = await this.review.api.explanation(imageId);
    if (this.review.desk.current?.imageId !== imageId) return;
    this.review.viewer.overlay(imageId, picture);
    this.review.patch({ explanationShown: true });
    const { tool } = this.review.state;
    this.aside = tool && PAINTS.has(tool) ? tool : null;
    if (this.aside) this.#take("windowLevel");
  }

  hideExplanation() {
    if (!this.review.state.explanationShown) return;
    this.review.viewer.overlay("", null);
    this.review.patch({ explanationShown: false });
  }
}
