import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Strokes } from "../../apps/ohif/viewer/strokes.js";

/** Strokes on a page whose time a test moves. */
function watched(context) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const over = mock.fn();
  const strokes = new Strokes(over);
  const page = new EventTarget();
  strokes.watch(page);
  return { strokes, over, press: (name) => page.dispatchEvent(new Event(name)), pass: (ms) => context.mock.timers.tick(ms) };
}

test("a stroke is one step, however long the mouse rests on the way", (context) => {
  const { strokes, over, press, pass } = watched(context);

  press("pointerdown");
  strokes.changed();
  pass(5000);
  strokes.changed();
  pass(5000);
  assert.equal(over.mock.callCount(), 0);
  press("pointerup");
  pass(1000);

  assert.equal(over.mock.callCount(), 1);
});

test("changes without a mouse are over after a moment", (context) => {
  const { strokes, over, pass } = watched(context);

  strokes.changed();
  strokes.changed();
  pass(1000);

  assert.equal(over.mock.callCount(), 1);
});

test("a click that changes nothing is no stroke", (context) => {
  const { over, press, pass } = watched(context);

  press("pointerdown");
  press("pointerup");
  pass(1000);

  assert.equal(over.mock.callCount(), 0);
});

test("a stroke is over when its picture is left", (context) => {
  const { strokes, over, pass } = watched(context);

  strokes.changed();
  strokes.finish();
  strokes.finish();
  pass(1000);

  assert.equal(over.mock.callCount(), 1);
});
