// What may happen between a deed and its answer: nothing that was drawn is lost, nothing is said of another's work.

import assert from "node:assert/strict";
import { test } from "node:test";

import { StaleRevisionError, UnreachableError } from "../../apps/ohif/server/errors.js";
import { FakeApi, held, image, maskOf, paramsOf, review, revision, settled } from "./support/desk.js";

const A = image("a");
const B = image("b");
const marked = (mask) => [...mask].flatMap((value, pixel) => (value ? [pixel] : []));
const sampleOf = (id) => ({ id, StudyInstanceUID: "1.2", SeriesInstanceUID: "1.2.3", SOPInstanceUID: id, frame_count: 1, sonoloop: { reason: "" } });
const skipOf = (told) => ({ image: "a", reader: "annotator", kind: "not_assessable", reason: "Poor image quality", created: "2026-01-06T10:00:00+00:00", withdrawn: null, ...told });

/** A review with image A open and predicted. */
async function opened(parts) {
  const desk = await review(parts);
  desk.viewer.show(A);
  await settled();
  return desk;
}

/** Lets the next call of a method wait for a test. */
function hold(api, name) {
  const late = held();
  const own = api[name].bind(api);
  api[name] = async (...told) => {
    api[name] = own;
    await late.promise;
    return own(...told);
  };
  return late;
}

test("a draft is called a draft and can be submitted", async () => {
  const { review: session, viewer, api } = await opened();
  viewer.paint([15]);

  await session.saveDraft();
  assert.deepEqual([session.state.stage, session.state.earlier.state, session.state.dirty], ["earlier", "draft", false]);

  await session.setPathology("benign");
  await session.submit();
  assert.deepEqual(api.saved.map(({ params }) => params.state), ["draft", "submitted"]);
  assert.equal(session.state.stage, "saved");
});

test("an outline that an answer has emptied comes back with another answer", async () => {
  for (const back of [(session) => session.noLesion(false), (session) => session.setPathology("benign")]) {
    const { review: session, viewer } = await opened();
    await session.setPathology("normal");
    assert.deepEqual(marked(viewer.read("a")), []);
    await session.noLesion(true);

    await back(session);

    assert.deepEqual(marked(viewer.read("a")), [8, 9]);
    assert.equal(session.state.answer.noLesion, false);
  }
});

test("an outline that was drawn anew is not replaced by the emptied one", async () => {
  const { review: session, viewer } = await opened();
  await session.noLesion(true);
  viewer.paint([20]);

  await session.setPathology("benign");

  assert.deepEqual(marked(viewer.read("a")), [20]);
});

test("trainings are for engineers where there are accounts", async () => {
  const roles = { annotator: false, reviewer: false, engineer: true };
  for (const [role, may] of Object.entries(roles)) {
    const api = new FakeApi();
    api.me = () => Promise.resolve({ accounts: true, name: "anna", role });

    assert.equal((await opened({ api })).review.state.mayTrain, may);
  }
});

test("a suggestion without outline that names a lesion is not accepted", async () => {
  const api = new FakeApi();
  api.predictions.set("a", Promise.resolve({ mask: maskOf(), params: paramsOf("benign") }));
  const { review: session } = await opened({ api });

  await session.accept();

  assert.equal(api.saved.length, 0);
  assert.match(session.state.message.text, /outlines nothing, yet names benign/);
});

test("what is painted while an answer is sent is unsaved, whether or not its image is left", async () => {
  for (const leaves of [false, true]) {
    const { review: session, viewer, api } = await opened();
    await session.setPathology("benign");
    const late = hold(api, "saveLabel");
    const submitting = session.submit();
    await settled();
    viewer.paint([20]);
    if (leaves) {
      viewer.show(B);
      await settled();
    }

    late.resolve();
    await submitting;

    assert.equal(session.hasUnsaved, true);
    assert.equal(session.state.message.text.startsWith("Of the image you left"), leaves);
  }
});

test("what is sent is what was there when it was submitted", async () => {
  const api = new FakeApi();
  api.me = () => Promise.resolve({ accounts: true, name: "anna", role: "annotator" });
  const { review: session, viewer } = await opened({ api });
  await session.setPathology("benign");
  const late = hold(api, "me");
  const submitting = session.submit();
  viewer.paint([20], 2);
  await session.setBirads("5");

  late.resolve();
  await submitting;

  assert.deepEqual(api.saved[0].params.label_info, [{ name: "lesion 1", idx: 1 }]);
  assert.deepEqual([...api.saved[0].mask.data].filter(Boolean), [1, 1]);
  assert.equal("birads" in api.saved[0].params, false);
  assert.deepEqual([session.state.dirty, session.state.answer.birads], [true, "5"]);
});

test("a late answer of the AI does not paint over what was painted meanwhile", async () => {
  const { review: session, viewer, api } = await opened();
  const late = held();
  api.predictions.set("a", late.promise);
  const asking = session.predict();
  await session.setPathology("benign");
  viewer.paint([20]);

  late.resolve({ mask: maskOf(1), params: paramsOf("malignant") });
  await asking;

  assert.deepEqual(marked(viewer.read("a")), [8, 9, 20]);
  assert.deepEqual([session.state.dirty, session.state.prediction.pathology], [true, "malignant"]);
  assert.match(session.state.message.text, /painted meanwhile/);
});

test("an answer that was chosen while the AI was asked again stays unsaved", async () => {
  const { review: session } = await opened();
  await session.setPathology("benign");

  await session.predict();

  assert.deepEqual([session.state.answer.pathology, session.state.dirty], ["benign", true]);
});

test("changes are dropped only once there is a next image", async () => {
  const { review: session, viewer, api } = await opened();
  viewer.paint([20]);
  api.next = () => Promise.reject(new UnreachableError("the server does not answer"));
  await session.next();

  await session.confirmLeave(true);

  assert.deepEqual(marked(viewer.read("a")), [8, 9, 20]);
  assert.deepEqual([session.state.stage, session.state.dirty], ["editing", true]);
});

test("who paints while the next image is looked for is asked before he leaves", async () => {
  const { review: session, viewer, api } = await opened();
  api.samples = [sampleOf("b")];
  const late = hold(api, "next");
  const going = session.next();
  await settled(); // the server is asked, and has not answered
  viewer.paint([20]);

  late.resolve();
  await going;

  assert.equal(session.state.leaving, true);
  assert.deepEqual(viewer.went, []);
});

test("the next image waits for the answer that is being sent", async () => {
  const { review: session, viewer, api } = await opened();
  await session.setPathology("benign");
  api.samples = [sampleOf("b")];
  const late = hold(api, "saveLabel");
  const submitting = session.submit();
  const going = session.next();
  await settled();
  assert.deepEqual(viewer.went, []);

  late.resolve();
  await Promise.all([submitting, going]);

  assert.deepEqual(viewer.went.map(({ sop }) => sop), ["b"]);
  assert.equal(session.state.leaving, false);
});

test("a skip that is answered late does not move the reader off the image he went to", async () => {
  const { review: session, viewer, api } = await opened();
  api.samples = [sampleOf("c")];
  const late = hold(api, "skip");
  const skipping = session.skip("skip", "blurred");
  await settled();
  viewer.show(B);
  await settled();

  late.resolve();
  await skipping;
  assert.deepEqual(viewer.went, []);

  viewer.show(A);
  await settled();
  assert.deepEqual(marked(viewer.read("a")), [8, 9]);
  assert.equal(session.hasUnsaved, false);
});

test("an image that was called not assessable says so, now and when it is opened again", async () => {
  const { review: session, viewer, api } = await opened();
  await session.skip("not_assessable", "Poor image quality");
  assert.deepEqual([session.state.stage, session.state.skipped.reason], ["skipped", "Poor image quality"]);
  api.skips = [skipOf({ reason: "Of before", created: "2026-01-01T10:00:00+00:00" }), skipOf(), skipOf({ reader: "ben", created: "2026-02-06T10:00:00+00:00" })];

  viewer.show(B);
  await settled();
  viewer.show(A);
  await settled();

  assert.deepEqual([session.state.stage, session.state.skipped.reason], ["skipped", "Poor image quality"]);
  assert.deepEqual(marked(viewer.read("a")), [8, 9]);
});

test("a skip that was withdrawn, or that an answer followed, is not told", async () => {
  const answered = new FakeApi();
  answered.skips = [skipOf({ created: "2026-01-01T10:00:00+00:00" })];
  answered.past.set("a", [revision()]);
  const withdrawn = new FakeApi();
  withdrawn.skips = [skipOf({ withdrawn: "2026-01-07T10:00:00+00:00" })];

  assert.equal((await opened({ api: answered })).review.state.stage, "earlier");
  assert.equal((await opened({ api: withdrawn })).review.state.stage, "predicted");
});

test("an answer is sent once, however it is asked for", async () => {
  const { review: session, viewer, api } = await opened();
  const late = hold(api, "saveLabel");
  const accepting = session.accept();
  await settled();
  viewer.paint([20]);
  await session.submit();
  await session.saveDraft();

  late.resolve();
  await accepting;

  assert.equal(api.saved.length, 1);
  assert.deepEqual([session.state.stage, session.state.dirty], ["editing", true]);
});

test("who meets his own answer again, because its receipt was lost, is not asked whose it is", async () => {
  const { review: session, api } = await opened();
  await session.setPathology("benign");
  await session.setBirads("3");
  const own = { pathology: "benign", birads: "3" };
  api.revisionMasks.set("a/4", maskOf(8, 9));
  const stale = (current) => new StaleRevisionError("stale", { status: 409, kept: revision({ ...own, revision: 5, state: "conflicting" }), current });
  api.failing.set("saveLabel", stale(revision({ ...own, revision: 4 })));

  await session.submit();
  assert.deepEqual([session.state.conflict, session.state.stage, session.state.earlier.revision], [null, "saved", 4]);

  await session.setBirads("2");
  api.failing.set("saveLabel", stale(revision({ ...own, revision: 4 })));
  await session.submit();
  assert.equal(session.state.conflict.current.birads, "3");
});

test("a failure to save an image that was left is told of that image", async () => {
  const { review: session, viewer, api } = await opened();
  await session.setPathology("benign");
  api.failing.set("saveLabel", new UnreachableError("the server does not answer"));
  const late = hold(api, "saveLabel");
  const submitting = session.submit();
  await settled();
  viewer.show(B);
  await settled();

  late.resolve();
  await submitting;

  assert.match(session.state.message.text, /^The image you left is not saved: the server does not answer/);
  assert.deepEqual([session.state.image.imageId, session.state.stage, session.state.elsewhere], ["b", "predicted", 1]);
});

test("images with changes are found again", async () => {
  const { review: session, viewer } = await opened();
  viewer.paint([20]);
  viewer.show(B);
  await settled();
  assert.equal(session.state.elsewhere, 1);

  await session.openUnsaved();

  assert.deepEqual(viewer.went.map(({ sop }) => sop), ["a"]);
});

test("a server that answers again does not make a failed answer look saved", async () => {
  const { review: session, api } = await opened();
  await session.setPathology("benign");
  api.failing.set("saveLabel", new UnreachableError("the server does not answer"));
  await session.submit();
  assert.equal(session.state.server, "down");

  await session.board.heardState(true);

  assert.match(session.state.message.text, /answers again.*not submitted/);
});

test("a window keeps the name it was given, whatever another window does", async () => {
  const { review: session, viewer, api } = await opened();
  await session.setReader("anna");
  session.storage.setItem("sonoloop.reader", "ben");
  await session.board.refresh();
  viewer.paint([20]);
  await session.setPathology("benign");
  await session.submit();

  assert.equal(session.state.reader, "anna");
  assert.equal(api.saved[0].params.reader, "anna");
});

/** A server with accounts, of whom one is logged in. */
function accountsOf(name) {
  const api = new FakeApi();
  api.name = name;
  api.me = () => Promise.resolve({ accounts: true, name: api.name, role: "annotator" });
  return api;
}

test("what one account drew is not submitted under another's name", async () => {
  const api = accountsOf("anna");
  const { review: session, viewer } = await opened({ api });
  viewer.paint([20]);
  await session.setPathology("benign");
  api.name = "ben";

  await session.submit();
  assert.equal(api.saved.length, 0);
  assert.equal(session.state.reader, "ben");
  assert.match(session.state.message.text, /anna/);

  await settled();
  assert.deepEqual(api.asked.filter((name) => name === "lend").length, 1, "nor is it lent to him");
  await session.submit();
  assert.equal(api.saved.length, 0, "not at the second attempt either");
  assert.deepEqual(marked(viewer.read("a")), [8, 9, 20]);

  api.name = "anna";
  await session.refresh();
  await settled();
  await session.submit();
  assert.deepEqual(api.saved.map(({ params }) => params.reader), ["anna"]);
});

test("what an account that is gone had not touched is asked anew for the next", async () => {
  const api = accountsOf("anna");
  api.past.set("a", [revision({ reader: "anna" })]);
  const { review: session, viewer } = await opened({ api });
  assert.equal(session.state.stage, "earlier");
  api.name = "ben";

  await session.board.refresh();
  await settled();

  assert.deepEqual([session.state.stage, session.state.earlier], ["predicted", null]);
  assert.deepEqual(marked(viewer.read("a")), [8, 9]);
});

test("while the explanation lies over the image no tool paints", async () => {
  const { review: session, viewer } = await opened();
  await session.setTool("brush");

  await session.toggleExplanation();
  assert.deepEqual([session.state.explanationShown, session.state.tool], [true, "windowLevel"]);

  await session.setTool("eraser");
  assert.deepEqual([session.state.explanationShown, viewer.overlaid], [false, null]);

  await session.toggleExplanation();
  await session.toggleExplanation();
  assert.equal(session.state.tool, "eraser");
});

test("what is held under the mouse when the AI answers is not painted over", async () => {
  const api = new FakeApi();
  const late = held();
  api.predictions.set("a", late.promise);
  const { review: session, viewer } = await opened({ api });
  viewer.masks.get("a")[3] = 1; // the stroke is not over: nobody was told of it

  late.resolve({ mask: maskOf(8, 9), params: paramsOf() });
  await settled();

  assert.deepEqual(marked(viewer.read("a")), [3]);
  assert.equal(session.state.stage, "editing");
});

test("time does not run in a window that is not seen, nor while nobody touches it, and never past a day", async () => {
  const at = async (act) => {
    const { review: session, viewer, api, at: clock } = await review();
    session.now = () => clock.ms;
    await act(session, clock);
    viewer.show(A);
    await settled();
    clock.ms += 3_600_000;
    session.touched();
    clock.ms += 60_000;
    await session.setPathology("benign");
    await session.submit();
    return api.saved[0].params.seconds_spent;
  };

  assert.equal(await at((session) => session.seen(false)), 0);
  assert.equal(await at(() => {}), 120 + 60);
});
