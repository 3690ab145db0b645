import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { brushPresets, cine, hints, isBusy, largestBrush, outdated, trainingSign, whyNot } from "../../../apps/ohif/panel/rules.js";
import { STATES } from "../preview/states.js";

/** @typedef {import("../../../apps/ohif/review/types.js").ReviewState} ReviewState */
/** @typedef {import("../../../apps/ohif/panel/rules.js").Deed} Deed */

/** @type {readonly Deed[]} */
const DEEDS = ["submit", "accept", "next", "skip", "predict", "saveDraft", "edit", "undo", "redo", "explain"];

/** @param {ReviewState} state */
const possible = (state) => DEEDS.filter((deed) => whyNot(state, deed) === null);

describe("what can be done", () => {
  test("of an untouched suggestion: accept it, or anything else", () => {
    assert.deepEqual(possible(STATES.predicted), ["submit", "accept", "next", "skip", "predict", "edit", "explain"]);
  });

  test("of a changed one: it is submitted, no longer accepted", () => {
    assert.deepEqual(possible(STATES.editing), ["submit", "next", "skip", "predict", "saveDraft", "edit", "undo", "explain"]);
    assert.equal(whyNot(STATES.editing, "accept"), "the suggestion was changed: submit instead");
  });

  test("while the model looks: nothing that would end in the wrong answer", () => {
    assert.deepEqual(possible(STATES.loading), ["next", "skip"]);
  });

  test("while saving: the next image, which waits for it", () => {
    assert.deepEqual(possible(STATES.saving), ["next"]);
  });

  test("of an image that was skipped: anything, after all", () => {
    assert.deepEqual(possible(STATES.skipped), ["submit", "accept", "next", "skip", "predict", "edit", "explain"]);
    assert.deepEqual(hints(STATES.skipped), []);
  });

  test("of a draft: it is submitted", () => {
    assert.equal(whyNot(STATES.draft, "submit"), null);
    assert.equal(whyNot(STATES.draft, "accept"), "your own answer is shown: change it and submit");
    assert.equal(whyNot(STATES.saved, "accept"), "it is submitted");
  });

  test("while the server is down or wants a login: what stays in this window", () => {
    assert.deepEqual(possible(STATES.down), ["edit", "undo"]);
    assert.deepEqual(possible(STATES.login), ["edit", "undo"]);
    assert.deepEqual(possible(STATES.connecting), []);
  });

  test("without an image: the next one", () => {
    assert.deepEqual(possible(STATES.none), ["next"]);
  });

  test("what is on its way is not asked for twice", () => {
    const state = { ...STATES.predicted, busy: ["next", "accept"] };

    assert.equal(whyNot(state, "next"), "it is on its way");
    assert.equal(whyNot(state, "accept"), "it is on its way");
    assert.equal(isBusy(state, "submit"), false);
  });

  test("what is submitted is not submitted again until it changes", () => {
    assert.equal(whyNot(STATES.saved, "submit"), "it is submitted");
    assert.equal(whyNot({ ...STATES.saved, dirty: true }, "submit"), null);
  });

  test("an explanation needs a model that offers one, and the reason is told", () => {
    assert.match(whyNot(STATES.unsure, "explain") ?? "", /average pooling/);
    assert.equal(whyNot(STATES.unclassified, "explain"), "the model offers no explanation");
  });
});

describe("contradictions", () => {
  /** @param {Partial<ReviewState["answer"]>} answer @param {number} [areaPx] */
  const of = (answer, areaPx = 100) =>
    hints({ ...STATES.editing, answer: { pathology: null, birads: null, noLesion: false, ...answer }, lesions: areaPx ? [{ segment: 1, areaPx, areaMm2: null }] : [] });

  test("are told", () => {
    assert.deepEqual(of({}), ["No pathology is chosen yet."]);
    assert.deepEqual(of({ pathology: "normal" }), ["Normal, yet a lesion is outlined."]);
    assert.deepEqual(of({ pathology: "benign" }, 0), ["Answered benign, yet no lesion is outlined."]);
    assert.deepEqual(of({ pathology: "malignant", birads: "2" }), ["Malignant with BI-RADS 2: is that meant?"]);
    assert.deepEqual(of({ pathology: "benign", birads: "5" }), ["Answered benign with BI-RADS 5: is that meant?"]);
    assert.deepEqual(hints(STATES.contradictory), ["Answered benign with BI-RADS 5: is that meant?", "Lesion 2 is empty."]);
  });

  test("are not made up", () => {
    assert.deepEqual(of({ pathology: "normal", birads: "1" }, 0), []);
    assert.deepEqual(of({ pathology: "benign", birads: "4A" }), []);
    assert.deepEqual(of({ pathology: "malignant", birads: "6" }), []);
    assert.deepEqual(hints(STATES.none), []);
    assert.deepEqual(hints(STATES.loading), []);
  });
});

test("a suggestion of a model that no longer serves is called out of date, an answer is not", () => {
  assert.equal(outdated(STATES.predicted), null);
  assert.match(outdated(STATES.trained) ?? "", /newer model/);
  assert.equal(outdated({ ...STATES.trained, stage: "editing" }), null);
  assert.equal(outdated(STATES.none), null);
});

test("brushes are in proportion to the image and never vanish", () => {
  assert.deepEqual(brushPresets(640).map(({ radius }) => radius), [6, 13, 26, 51]);
  assert.deepEqual(brushPresets(40).map(({ radius }) => radius), [1, 1, 2, 3]);
  assert.equal(largestBrush(640), 77);
  assert.equal(largestBrush(10), 4);
});

describe("a cine", () => {
  test("tells which frames were looked at, counting from one", () => {
    const shown = cine(STATES.cine);

    assert.equal(shown?.title, "Frame 12 of 120");
    assert.equal(shown?.told, "3 looked at, 2 submitted");
    assert.deepEqual(shown?.marks.map(({ frame }) => frame), [3, 11, 40, 88]);
    assert.deepEqual(shown?.marks.filter(({ isOpen }) => isOpen).map(({ frame }) => frame), [11]);
    assert.deepEqual(shown?.marks.filter(({ isSubmitted }) => isSubmitted).map(({ frame }) => frame), [3, 88]);
  });

  test("is none where a single image is open", () => {
    assert.equal(cine(STATES.predicted), null);
  });
});

test("trainings that run, wait or are measured can be stopped, others started", () => {
  const signs = Object.fromEntries(
    /** @type {const} */ (["idle", "waiting", "running", "measuring", "done", "failed", "stopped"]).map((state) => [
      state,
      trainingSign({ state, epoch: 0, epochs: 0, share: null, message: "" }),
    ]),
  );

  assert.deepEqual(Object.keys(signs).filter((state) => signs[state].isActive), ["waiting", "running", "measuring"]);
  assert.equal(signs.failed.kind, "bad");
  assert.equal(signs.done.kind, "good");
});
