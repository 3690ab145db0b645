// @ts-check
// A review without a server: it holds the state it is given, notes what is asked of it, and does
// itself what needs no server, so that the panel can be tried by hand.

/** @typedef {import("../../../apps/ohif/review/types.js").Review} Review */
/** @typedef {import("../../../apps/ohif/review/types.js").ReviewState} ReviewState */

/** @implements {Review} */
export class FakeReview extends EventTarget {
  /** @param {ReviewState} state */
  constructor(state) {
    super();
    this.state = Object.freeze(state);
    /** @type {[string, ...unknown[]][]} */
    this.calls = [];
  }

  /** @param {Partial<ReviewState>} changes */
  change(changes) {
    this.state = Object.freeze({ ...this.state, ...changes });
    this.dispatchEvent(new Event("change"));
  }

  /**
   * @param {string} name
   * @param {unknown[]} values
   * @param {Partial<ReviewState>} [changes]
   */
  async #note(name, values, changes) {
    this.calls.push([name, ...values]);
    if (changes) this.change(changes);
  }

  /** @param {Partial<ReviewState["answer"]>} answer @returns {Partial<ReviewState>} */
  #answered(answer) {
    return { answer: { ...this.state.answer, ...answer }, stage: "editing", dirty: true };
  }

  predict = () => this.#note("predict", []);
  accept = () => this.#note("accept", [], { stage: "saved" });
  submit = () => this.#note("submit", [], { stage: "saved", dirty: false });
  saveDraft = () => this.#note("saveDraft", [], { dirty: false });
  next = () => this.#note("next", [], this.state.dirty ? { leaving: true } : {});
  refresh = () => this.#note("refresh", []);
  login = () => this.#note("login", []);
  undo = () => this.#note("undo", [], { canUndo: false, canRedo: true });
  redo = () => this.#note("redo", [], { canUndo: true, canRedo: false });
  openUnsaved = () => this.#note("openUnsaved", []);
  stopTraining = () => this.#note("stopTraining", []);
  dismissMessage = () => this.#note("dismissMessage", [], { message: null });
  toggleExplanation = () => this.#note("toggleExplanation", [], { explanationShown: !this.state.explanationShown });

  addLesion = () => {
    const segment = Math.max(0, ...this.state.lesions.map((lesion) => lesion.segment)) + 1;
    return this.#note("addLesion", [], { lesions: [...this.state.lesions, { segment, areaPx: 0, areaMm2: 0 }], activeLesion: segment });
  };

  /** @param {boolean} leave */
  confirmLeave = (leave) => this.#note("confirmLeave", [leave], { leaving: false });
  /** @param {ReviewState["answer"]["pathology"]} pathology */
  setPathology = (pathology) => this.#note("setPathology", [pathology], this.#answered({ pathology }));
  /** @param {ReviewState["answer"]["birads"]} birads */
  setBirads = (birads) => this.#note("setBirads", [birads], this.#answered({ birads }));
  /** @param {boolean} [on] */
  noLesion = (on = true) => this.#note("noLesion", [on], this.#answered({ noLesion: on }));
  /** @param {number} segment */
  selectLesion = (segment) => this.#note("selectLesion", [segment], { activeLesion: segment });
  /** @param {number} segment */
  removeLesion = (segment) => this.#note("removeLesion", [segment], { lesions: this.state.lesions.filter((lesion) => lesion.segment !== segment) });
  /** @param {string} kind @param {string} reason */
  skip = (kind, reason) => this.#note("skip", [kind, reason]);
  /** @param {string} strategy */
  setStrategy = (strategy) => this.#note("setStrategy", [strategy], { strategy });
  /** @param {string} task */
  startTraining = (task) => this.#note("startTraining", [task]);
  /** @param {string} choice */
  resolveConflict = (choice) => this.#note("resolveConflict", [choice], { conflict: null });
  /** @param {ReviewState["tool"]} tool */
  setTool = (tool) => this.#note("setTool", [tool], { tool });
  /** @param {number} brushSize */
  setBrushSize = (brushSize) => this.#note("setBrushSize", [brushSize], { brushSize });
  /** @param {number} low @param {number} high */
  setThreshold = (low, high) => this.#note("setThreshold", [low, high], { threshold: [low, high] });
  /** @param {string} reader */
  setReader = (reader) => this.#note("setReader", [reader], { reader });
  /** @param {number} frame */
  openFrame = (frame) => this.#note("openFrame", [frame]);
}
