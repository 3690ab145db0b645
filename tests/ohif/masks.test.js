import assert from "node:assert/strict";
import { test } from "node:test";

import { clampRadius, firstRadius, worldRadius } from "../../apps/ohif/viewer/brush.js";
import { areasOf, separate, without } from "../../apps/ohif/viewer/components.js";
import { frameOf, imageIdOf, imageOfAddress, partsOf } from "../../apps/ohif/viewer/ids.js";
import { isSafe } from "../../apps/ohif/viewer/host.js";
import { placed } from "../../apps/ohif/viewer/overlay.js";
import { areSame, isBlank, pack, unpack } from "../../apps/ohif/viewer/packing.js";
import { spacingOf } from "../../apps/ohif/viewer/watching.js";

const drawn = (...rows) => Uint8Array.from(rows.join(""), Number);

test("frames of a cine have ids of their own, counted from 0", () => {
  const viewed = "wadors:/dicom-web/studies/1/series/2/instances/3/frames/4";

  assert.equal(frameOf(viewed, 12), 3);
  assert.equal(frameOf(viewed, 1), null);
  assert.equal(imageIdOf("3", frameOf(viewed, 12)), "3_f3");
  assert.deepEqual(partsOf("3_f3"), { sop: "3", frame: 3 });
  assert.deepEqual(partsOf("1.2.3"), { sop: "1.2.3", frame: null });
});

test("the window's address tells the image before the viewer does", () => {
  assert.equal(imageOfAddress("?StudyInstanceUIDs=1&initialSOPInstanceUID=1.2.3&frame=4"), "1.2.3_f4");
  assert.equal(imageOfAddress("?StudyInstanceUIDs=1&initialsopinstanceuid=1.2.3"), "1.2.3");
  assert.equal(imageOfAddress("?StudyInstanceUIDs=1"), null);
});

test("a packed mask is the same when it is unpacked, and small", () => {
  const mask = new Uint8Array(1024 * 768);
  mask.fill(2, 5000, 5100);
  mask[mask.length - 1] = 1;

  const packed = pack(mask);

  assert.deepEqual(unpack(packed), mask);
  assert.equal(packed.ends.length, 4);
  assert.ok(areSame(packed, pack(Uint8Array.from(mask))));
  assert.ok(!areSame(packed, pack(mask.fill(1, 5000, 5001))));
  assert.ok(!isBlank(packed) && isBlank(pack(new Uint8Array(9))));
});

test("parts that touch by a corner are one lesion, the largest is the first", () => {
  const mask = drawn("100000", "010011", "000011", "100000");

  assert.deepEqual([...separate(mask, 6)], [...drawn("200000", "020011", "000011", "300000")]);
});

test("lesions at the two ends of a row do not touch", () => {
  assert.deepEqual([...separate(drawn("001", "100"), 3)], [...drawn("001", "200")]);
});

test("areas are counted, and a lesion can be taken away", () => {
  const mask = drawn("1102", "0003");

  assert.deepEqual([...areasOf(mask)], [[1, 2], [2, 1], [3, 1]]);
  assert.deepEqual([...without(mask, 1)], [...drawn("0002", "0003")]);
});

test("the brush is a share of the picture, in the units the viewer draws in", () => {
  assert.equal(firstRadius(800), 16);
  assert.equal(firstRadius(20), 1);
  assert.ok(Math.abs(worldRadius(16, 0.07) - 1.12) < 1e-9);
  assert.equal(worldRadius(16, undefined), 16);
  assert.equal(clampRadius(Number.NaN), 1);
  assert.equal(clampRadius(1e6), 100);
});

test("a scale comes from the regions of the picture, unless they disagree", () => {
  const region = (x, y, unit = 3) => ({ PhysicalUnitsXDirection: unit, PhysicalUnitsYDirection: unit, PhysicalDeltaX: x, PhysicalDeltaY: y });

  assert.deepEqual(spacingOf({ SequenceOfUltrasoundRegions: [region(0.008, 0.007)] }), [0.07, 0.08]);
  assert.deepEqual(spacingOf({ SequenceOfUltrasoundRegions: region(0.01, 0.01), PixelSpacing: [1, 1] }), [0.1, 0.1]);
  assert.equal(spacingOf({ SequenceOfUltrasoundRegions: [region(0.01, 0.01), region(0.02, 0.02)] }), null);
  assert.equal(spacingOf({ SequenceOfUltrasoundRegions: [region(1, 1, 4)] }), null);
  assert.deepEqual(spacingOf({ PixelSpacing: ["0.3", "0.2"] }), [0.3, 0.2]);
  assert.equal(spacingOf({}), null);
});

test("an overlay follows a picture that is mirrored and zoomed", () => {
  assert.equal(placed([100, 10], [0, 10], [100, 60], 50, 25), "matrix(-2, 0, 0, 2, 100, 10)");
});

test("viewers that mix up masks are refused", () => {
  assert.ok(isSafe("5.6.8"));
  assert.ok(!isSafe("4.22.0"));
  assert.ok(!isSafe(undefined));
});
