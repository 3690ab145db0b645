import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { curveText, placed } from "../../../apps/ohif/panel/curve.js";
import { conflictLines, outlineText } from "../../../apps/ohif/panel/decisions.js";
import { servingModels } from "../../../apps/ohif/panel/header.js";
import { KEYS, shortcutOf } from "../../../apps/ohif/panel/keyboard.js";
import { bars, found } from "../../../apps/ohif/panel/prediction.js";
import { progressText } from "../../../apps/ohif/panel/queue.js";
import { modelText, trainingText } from "../../../apps/ohif/panel/training.js";
import { STATES } from "../preview/states.js";

/** @param {string} key @param {Partial<KeyboardEvent>} [modifiers] */
const stroke = (key, modifiers = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...modifiers });

/** @param {string} key @param {Partial<KeyboardEvent>} [modifiers] */
const shown = (key, modifiers) => shortcutOf(stroke(key, modifiers))?.shown ?? null;

describe("keys", () => {
  test("are the letters of the list, in capitals too", () => {
    for (const letter of ["S", "N", "B", "E", "A"]) {
      assert.equal(shown(letter.toLowerCase()), letter);
      assert.equal(shown(letter), letter, "with caps lock on");
    }
  });

  test("with modifiers are the browser's or the viewer's", () => {
    for (const modifier of ["ctrlKey", "metaKey", "altKey", "shiftKey"]) {
      assert.equal(shown("s", { [modifier]: true }), null, modifier);
      assert.equal(shown("a", { [modifier]: true }), null, modifier);
    }
  });

  test("undo and redo as everywhere, on every keyboard", () => {
    assert.equal(shown("z", { ctrlKey: true }), "Ctrl+Z");
    assert.equal(shown("z", { metaKey: true }), "Ctrl+Z");
    assert.equal(shown("y", { ctrlKey: true }), "Ctrl+Y");
    assert.equal(shown("Z", { ctrlKey: true, shiftKey: true }), "Ctrl+Y");
    assert.equal(shown("z", { ctrlKey: true, altKey: true }), null);
  });

  test("the question mark needs shift on most keyboards", () => {
    assert.equal(shown("?", { shiftKey: true }), "?");
    assert.equal(shown("?"), "?");
    assert.equal(shown("?", { ctrlKey: true }), null);
  });

  test("Z alone zooms, as the viewer has it; so do its other keys what they did", () => {
    for (const key of ["z", "r", "l", "h", "v", "c", "i", "+", "-", "=", "1", " ", "Enter", "Escape", "ArrowDown", "[", "]"]) {
      assert.equal(shown(key), null, key);
    }
  });

  test("none stands for two things", () => {
    for (const shortcut of KEYS) {
      const key = shortcut.shown.replace("Ctrl+", "").toLowerCase();
      const pressed = stroke(key, { ctrlKey: shortcut.shown.startsWith("Ctrl") });

      assert.deepEqual(KEYS.filter(({ fits }) => fits(pressed)).map((other) => other.shown), [shortcut.shown]);
    }
  });
});

describe("the suggestion", () => {
  test("is told from harmless to worst, the most probable marked", () => {
    const prediction = STATES.predicted.prediction;
    assert.ok(prediction);

    const told = bars({ ...prediction, probabilities: { malignant: 0.8, normal: 0.1, benign: 0.1 } });

    assert.deepEqual(told.map(({ pathology }) => pathology), ["normal", "benign", "malignant"]);
    assert.deepEqual(told.map(({ isMost }) => isMost), [false, false, true]);
    assert.equal(found(prediction), "1 lesion");
    assert.equal(found({ ...prediction, lesions: 0 }), "no lesion");
  });
});

describe("a conflict", () => {
  const conflict = STATES.conflict.conflict;

  test("tells both answers with what they outline", () => {
    assert.ok(conflict);

    assert.deepEqual(conflictLines(conflict.kept, STATES.conflict.lesions).slice(0, 2), ["malignant, BI-RADS 4C", "2 lesions: 60.5 mm², 4.0 mm²"]);
    assert.deepEqual(conflictLines(conflict.current, null).slice(0, 2), ["benign, BI-RADS 3", "1 lesion: 44.7 mm²"]);
    assert.match(conflictLines(conflict.current, null)[2], /^revision 3, submitted, /);
  });

  test("without figures still tells whether there is an outline", () => {
    assert.ok(conflict);

    assert.equal(conflictLines({ ...conflict.current, lesions: undefined }, null)[0], "benign, BI-RADS 3, with an outline");
    assert.equal(outlineText([{ segment: 1, areaPx: 0, areaMm2: 0 }]), "no outline");
  });
});

describe("trainings", () => {
  const { segmentation, classification } = STATES.training.training;

  test("tell how far they are", () => {
    assert.equal(trainingText(segmentation), "epoch 24 of 60 · 21 min left · best Dice 0.834");
    assert.equal(trainingText(classification), "waits for the other training");
    assert.equal(trainingText({ ...segmentation, epochs: 0, etaSeconds: null, best: null }), "reads the labels");
    assert.equal(trainingText(STATES.predicted.training.segmentation), null);
    assert.equal(trainingText({ ...segmentation, figure: "auc", state: "done", best: 0.9 }), "best AUC 0.900");
  });

  test("name the model that serves", () => {
    assert.match(modelText(STATES.predicted.models.segmentation), /^model 1c773e90, since 20 Nov/);
    assert.equal(modelText(undefined), "no model serves yet");
    assert.deepEqual(servingModels(STATES.predicted).map(({ text }) => text), ["1c773e90", "6e6bcc57"]);
    assert.deepEqual(servingModels(STATES.connecting), []);
  });
});

describe("a curve", () => {
  test("fills its picture, and higher is better", () => {
    const at = placed([[1, 0.2], [2, 0.7], [3, 0.45]]);

    assert.deepEqual(at.map(([x]) => x), [5, 100, 195]);
    assert.deepEqual(at.map(([, y]) => Math.round(y)), [51, 5, 28]);
  });

  test("of equal figures has a place too", () => {
    assert.ok(placed([[1, 0.5], [2, 0.5]]).flat().every(Number.isFinite));
  });

  test("is told in words", () => {
    assert.equal(curveText([[1, 0.41], [12, 0.73], [13, 0.72]], "Dice"), "Dice 0.410 at epoch 1, 0.720 at epoch 13, best 0.730");
  });
});

test("progress has no share of nothing", () => {
  assert.equal(progressText({ completed: 312, total: 1247 }), "312 of 1,247 labelled");
  assert.equal(progressText({ completed: 0, total: 0 }), "No images yet");
});
