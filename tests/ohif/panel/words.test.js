import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { area, assessment, BIRADS, CATEGORIES, counted, duration, modelName, moment, outlineDoubt, pathologyDoubt, percent, retryText, revisionSummary, serverSign, shortened, stageText } from "../../../apps/ohif/panel/words.js";
import { STATES } from "../preview/states.js";

describe("areas", () => {
  test("are told in square millimetres where the image is calibrated", () => {
    assert.equal(area({ areaPx: 12345, areaMm2: 60.49 }), "60.5 mm²");
    assert.equal(area({ areaPx: 1_000_000, areaMm2: 4900.4 }), "4,900 mm²");
  });

  test("are told in pixels where it is not: a made-up scale would be a measurement", () => {
    assert.equal(area({ areaPx: 12345, areaMm2: null }), "12,345 px");
  });

  test("of nothing are empty", () => {
    assert.equal(area({ areaPx: 0, areaMm2: 0 }), "empty");
    assert.equal(area({ areaPx: 0, areaMm2: null }), "empty");
  });
});

describe("doubts", () => {
  test("are a word and a number", () => {
    assert.deepEqual(outlineDoubt(0.149), { level: "low", text: "low (0.15)" });
    assert.deepEqual(outlineDoubt(0.15), { level: "moderate", text: "moderate (0.15)" });
    assert.deepEqual(outlineDoubt(0.3), { level: "high", text: "high (0.30)" });
  });

  test("of the pathology begin later, for entropy rises fast", () => {
    assert.equal(pathologyDoubt(0.29).level, "low");
    assert.equal(pathologyDoubt(0.51).level, "moderate");
    assert.equal(pathologyDoubt(0.98).level, "high");
  });

  test("of which nothing is known are not taken for small ones", () => {
    assert.deepEqual(outlineDoubt(null), { level: "none", text: "not told" });
  });

  test("begin where the comment says: 92 % and 73 % of three classes", () => {
    const entropy = (/** @type {number} */ p) => -(p * Math.log(p) + (1 - p) * Math.log((1 - p) / 2)) / Math.log(3);

    assert.ok(Math.abs(entropy(0.92) - 0.3) < 0.01);
    assert.ok(Math.abs(entropy(0.73) - 0.7) < 0.01);
  });
});

test("every category that is offered has a meaning, and the other way round", () => {
  assert.deepEqual([...CATEGORIES].sort(), Object.keys(BIRADS).sort());
});

test("counts and times are said as people do", () => {
  assert.equal(counted(1, "lesion"), "1 lesion");
  assert.equal(counted(2000, "lesion"), "2,000 lesions");
  assert.equal(duration(89), "89 s");
  assert.equal(duration(90), "2 min");
  assert.equal(duration(5400), "1 h 30 min");
  assert.equal(percent(0.815), "82 %");
  assert.match(moment("2026-11-20T13:05:00+00:00"), /Nov, \d\d:\d\d$/);
  assert.equal(moment(null), "–");
  assert.equal(moment("yesterday"), "–");
});

test("names are told by their end", () => {
  assert.equal(modelName("segmentation-20261120T164234-1c773e90"), "1c773e90");
  assert.equal(modelName("mine"), "mine");
  assert.equal(shortened("1.2.826.0.1.3680043.10", 12), "….3680043.10");
  assert.equal(shortened("1.2.826.0.1.3680043.10.1451.100.1.1").length, 22);
});

test("answers are summed up, and what is missing is said", () => {
  const revision = { ...revisionOf("submitted"), pathology: null, birads: null, hasMask: false };

  assert.equal(assessment("benign", "3"), "benign, BI-RADS 3");
  assert.equal(revisionSummary(revisionOf("submitted")), "benign, BI-RADS 3, with an outline");
  assert.equal(revisionSummary(revision), "no pathology, no outline");
});

/**
 * @param {import("../../../apps/ohif/review/types.js").Revision["state"]} state
 * @returns {import("../../../apps/ohif/review/types.js").Revision}
 */
const revisionOf = (state) => ({ annotation: 1, image: "1.2", revision: 1, reader: "reader-1", state, pathology: "benign", birads: "3", hasMask: true, created: "2026-11-20T13:05:00+00:00" });

test("a retry is counted down to the second", () => {
  assert.equal(retryText(10_000, 2_001), "Next try in 8 s.");
  assert.equal(retryText(10_000, 10_000), "Trying now.");
  assert.equal(retryText(undefined, 0), "It is tried again by itself.");
  assert.equal(retryText(null, 0), "It is tried again by itself.");
});

test("every state has words for the server and for the image", () => {
  for (const [name, state] of Object.entries(STATES)) {
    assert.ok(serverSign(state).text, name);
    assert.ok(stageText(state), name);
  }
  assert.match(stageText(STATES.earlier), /^Your submitted answer of /);
  assert.match(stageText(STATES.draft), /^Your draft answer of /);
  assert.match(stageText(STATES.skipped), /^You answered: not assessable \(Poor image quality\), /);
  assert.match(stageText({ ...STATES.skipped, skipped: { kind: "skip", reason: "blurred", created: "" } }), /^You skipped this image \(blurred\)/);
});
