import assert from "node:assert/strict";
import { test } from "node:test";

import { listen } from "../../apps/ohif/server/events.js";
import { isValidMode } from "../../apps/ohif/mode.js";

/** A browser whose clock and streams a test moves. */
function browser() {
  const around = {
    root: new URL("https://clinic.example/below/"),
    streams: [], timers: new Map(), heard: {}, isHidden: false, number: 0,
    open: (address) => {
      const stream = Object.assign(new EventTarget(), { address: String(address), closed: false, close: () => (stream.closed = true) });
      around.streams.push(stream);
      return stream;
    },
    hidden: () => around.isHidden,
    later: (run, ms) => (around.timers.set((around.number += 1), { run, ms }), around.number),
    never: (timer) => around.timers.delete(timer),
    on: (name, run) => ((around.heard[name] = run), () => delete around.heard[name]),
    /** Lets the one timer of that length go off. */
    pass: (ms) => {
      const [found] = [...around.timers].filter(([, timer]) => timer.ms === ms);
      around.timers.delete(found[0]);
      found[1].run();
    },
    say: (name, data) => around.streams.at(-1).dispatchEvent(Object.assign(new Event(name), { data: JSON.stringify(data) })),
  };
  return around;
}

function listening() {
  const around = browser();
  const told = [];
  const states = [];
  const stop = listen({ trainings: (data) => told.push(data) }, (answers) => states.push(answers), around);
  return { around, told, states, stop };
}

test("what the server tells is heard", () => {
  const { around, told, states } = listening();

  around.say("trainings", { epoch: 3 });

  assert.equal(around.streams[0].address, "https://clinic.example/below/sonoloop/board/stream");
  assert.deepEqual([told, states], [[{ epoch: 3 }], [true]]);
});

test("a stream that breaks is opened anew, later and later", () => {
  const { around, states } = listening();

  around.say("error");
  around.pass(1000);
  around.say("error");
  around.pass(2000);
  assert.deepEqual([around.streams.length, states], [3, [false, false]]);

  around.say("beat");
  around.say("error");
  around.pass(1000);
  assert.equal(around.streams.length, 4);
});

test("a stream that falls silent is opened anew", () => {
  const { around, states } = listening();

  around.pass(25_000);
  around.pass(1000);

  assert.deepEqual([around.streams[0].closed, around.streams.length, states], [true, 2, [false]]);
});

test("a hidden window has no stream", () => {
  const { around } = listening();

  around.isHidden = true;
  around.heard.visibilitychange();
  assert.ok(around.streams[0].closed);

  around.isHidden = false;
  around.heard.visibilitychange();
  assert.equal(around.streams.length, 2);
});

test("nothing goes on after the end", () => {
  const { around, stop } = listening();

  stop();

  assert.deepEqual([around.streams[0].closed, around.timers.size, Object.keys(around.heard)], [true, 0, []]);
});

test("the mode is offered for ultrasound, whatever else a study holds", () => {
  const valid = (modalities) => isValidMode({ modalities }).valid;

  assert.deepEqual([valid("US"), valid("SEG\\SR\\US"), valid("SR/US"), valid("CT"), valid("IVUS")], [true, true, true, false, false]);
});
