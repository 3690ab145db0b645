import assert from "node:assert/strict";
import { test } from "node:test";

import { StaleRevisionError, UnreachableError } from "../../apps/ohif/server/errors.js";
import { trainingOf } from "../../apps/ohif/review/board.js";
import { COLUMNS, FakeApi, held, image, maskOf, paramsOf, review, revision, settled } from "./support/desk.js";

const A = image("a");
const B = image("b");
const marked = (mask) => [...mask].flatMap((value, pixel) => (value ? [pixel] : []));

/** A review with image A open and predicted. */
async function opened(parts) {
  const desk = await review(parts);
  desk.viewer.show(A);
  await settled();
  return desk;
}

test("opening an image shows the AI's mask and what it thinks", async () => {
  const { review: session, viewer } = await opened();

  assert.equal(session.state.stage, "predicted");
  assert.deepEqual(marked(viewer.read("a")), [8, 9]);
  assert.equal(session.state.prediction.pathology, "benign");
  assert.deepEqual(session.state.lesions.map(({ segment, areaPx }) => [segment, areaPx]), [[1, 2]]);
  assert.ok(Math.abs(session.state.lesions[0].areaMm2 - 0.04) < 1e-9);
  assert.equal(session.state.dirty, false);
});

test("an answer for an image that was left is never drawn on the next one", async () => {
  const api = new FakeApi();
  const late = held();
  api.predictions.set("a", late.promise);
  const { review: session, viewer } = await opened({ api });
  viewer.show(B);
  await settled();

  late.resolve({ mask: maskOf(0, 1, 2, 3), params: paramsOf("malignant") });
  await settled();

  assert.deepEqual(marked(viewer.read("b")), [8, 9]);
  assert.deepEqual(marked(viewer.read("a")), []);
  assert.equal(session.state.prediction.pathology, "benign");
  assert.equal(session.state.image.imageId, "b");
});

test("an image that was left too early is asked for again", async () => {
  const api = new FakeApi();
  api.predictions.set("a", held().promise);
  const { review: session, viewer } = await opened({ api });
  viewer.show(B);
  await settled();
  api.predictions.delete("a");

  viewer.show(A);
  await settled();

  assert.equal(session.state.stage, "predicted");
  assert.deepEqual(marked(viewer.read("a")), [8, 9]);
});

test("masks of two frames of a cine stay apart", async () => {
  const api = new FakeApi();
  api.predictions.set("c_f1", Promise.resolve({ mask: maskOf(20), params: paramsOf() }));
  const { review: session, viewer } = await review({ api });
  viewer.show(image("c", 0), 3);
  await settled();
  viewer.show(image("c", 1), 3);
  await settled();

  assert.deepEqual(marked(viewer.read("c_f0")), [8, 9]);
  assert.deepEqual(marked(viewer.read("c_f1")), [20]);
  assert.deepEqual(session.state.frames, { total: 3, masks: [0, 1], submitted: [] });
});

test("nothing is asked for images that are leafed through", async () => {
  const { review: session, viewer, api } = await review();
  session.now = () => 0;
  session.wait = () => new Promise(() => {});
  session.desk.openedAt = 0;

  viewer.show(A);
  viewer.show(B);
  await settled();

  assert.ok(!api.asked.includes("infer"));
});

test("a mask of another size is refused", async () => {
  const api = new FakeApi();
  api.predictions.set("a", Promise.resolve({ mask: { rows: COLUMNS, columns: 4, data: new Uint8Array(24).fill(1) }, params: paramsOf() }));
  const { review: session, viewer } = await opened({ api });

  assert.match(session.state.message.text, /does not fit/);
  assert.deepEqual(marked(viewer.read("a")), []);
});

test("a stroke makes it the reader's own, and taking it back makes it the AI's again", async () => {
  const { review: session, viewer, api } = await opened();

  viewer.paint([15], 1);
  assert.deepEqual([session.state.stage, session.state.dirty, session.hasUnsaved], ["editing", true, true]);
  assert.ok(api.asked.includes("lend"));

  await session.undo();
  assert.deepEqual([session.state.stage, session.state.dirty], ["predicted", false]);
});

test("asking the AI again can be undone", async () => {
  const { review: session, viewer } = await opened();
  viewer.paint([0, 1]);

  await session.predict();
  assert.deepEqual(marked(viewer.read("a")), [8, 9]);

  await session.undo();
  assert.deepEqual(marked(viewer.read("a")), [0, 1, 8, 9]);
  await session.redo();
  assert.deepEqual(marked(viewer.read("a")), [8, 9]);
});

test("what the reader paints before the AI answers is not painted over", async () => {
  const api = new FakeApi();
  const late = held();
  api.predictions.set("a", late.promise);
  const { review: session, viewer } = await opened({ api });
  viewer.paint([3]);

  late.resolve({ mask: maskOf(8, 9), params: paramsOf() });
  await settled();

  assert.deepEqual(marked(viewer.read("a")), [3]);
  assert.equal(session.state.stage, "editing");
  assert.equal(session.state.prediction.pathology, "benign");
});

test("lesions are segments of their own", async () => {
  const { review: session, viewer } = await opened();

  await session.addLesion();
  assert.equal(viewer.segment, 2);
  viewer.paint([20, 21, 22], 2);
  assert.deepEqual(session.state.lesions.map(({ segment, areaPx }) => [segment, areaPx]), [[1, 2], [2, 3]]);

  await session.selectLesion(1);
  assert.equal(session.state.activeLesion, 1);
  await session.removeLesion(2);
  assert.deepEqual(marked(viewer.read("a")), [8, 9]);
  await session.undo();
  assert.deepEqual(marked(viewer.read("a")), [8, 9, 20, 21, 22]);
});

test("submitting sends mask, answer and how long it took", async () => {
  const { review: session, viewer, api, at } = await opened();
  viewer.paint([15]);
  await session.setPathology("malignant");
  await session.setBirads("4C");
  at.ms += 30_000;

  await session.submit();

  const [{ imageId, mask, params }] = api.saved;
  assert.equal(imageId, "a");
  assert.deepEqual(marked(mask.data), [8, 9, 15]);
  assert.ok(params.seconds_spent >= 30);
  assert.deepEqual({ ...params, seconds_spent: 0 }, {
    reader: "annotator", state: "submitted", base_revision: 0, seconds_spent: 0, pathology: "malignant", birads: "4C",
    source_model: "seg-1", label_info: [{ name: "lesion 1", idx: 1 }],
  });
  assert.deepEqual([session.state.stage, session.state.dirty, session.state.earlier.revision], ["saved", false, 3]);
});

test("the next save is made from the last one", async () => {
  const { review: session, api } = await opened();
  await session.accept();
  await session.setBirads("2");
  await session.submit();

  assert.deepEqual(api.saved.map(({ params }) => params.base_revision), [0, 3]);
});

test("an answer without a pathology, or one that contradicts the mask, is not sent", async () => {
  const { review: session, viewer, api } = await opened();

  await session.submit();
  assert.match(session.state.message.text, /benign or malignant/);
  viewer.paint([8, 9], 0);
  await session.setPathology("benign");
  await session.submit();
  assert.match(session.state.message.text, /Outline/);
  assert.equal(api.saved.length, 0);
});

test("no lesion empties the mask and goes without a file", async () => {
  const { review: session, viewer, api } = await opened();

  await session.noLesion();
  await session.submit();

  assert.deepEqual(marked(viewer.read("a")), []);
  assert.equal(api.saved[0].mask, null);
  assert.equal(api.saved[0].params.pathology, "normal");
});

test("painting takes no lesion back", async () => {
  const { review: session, viewer } = await opened();
  await session.noLesion();

  viewer.paint([4]);

  assert.deepEqual([session.state.answer.noLesion, session.state.answer.pathology], [false, null]);
});

test("accepting takes over the AI's mask and pathology", async () => {
  const { review: session, viewer, api } = await opened();
  viewer.paint([0, 1, 2]);

  await session.accept();

  assert.deepEqual(marked(api.saved[0].mask.data), [8, 9]);
  assert.equal(api.saved[0].params.pathology, "benign");
});

test("the reader's earlier revision comes back", async () => {
  const api = new FakeApi();
  api.past.set("a", [revision({ revision: 1 }), revision({ revision: 2, state: "conflicting" }), revision({ revision: 4, reader: "bob" })]);
  api.revisionMasks.set("a/1", maskOf(0, 5));
  const { review: session, viewer } = await opened({ api });

  assert.equal(session.state.stage, "earlier");
  assert.deepEqual(marked(viewer.read("a")), [0, 5]);
  assert.deepEqual({ ...session.state.answer }, { pathology: "malignant", birads: "5", noLesion: false });
  assert.equal(session.state.prediction.pathology, "benign");
});

test("a conflict keeps both, and either can hold", async () => {
  const stale = () => new StaleRevisionError("stale", { status: 409, kept: revision({ revision: 6, state: "conflicting" }), current: revision({ revision: 5 }) });
  const { review: session, viewer, api } = await opened();
  api.failing.set("saveLabel", stale());
  await session.accept();
  assert.deepEqual([session.state.conflict.kept.revision, session.state.conflict.current.revision], [6, 5]);
  assert.deepEqual(session.state.conflict.kept.lesions.map(({ areaPx }) => areaPx), [2]);
  assert.deepEqual(session.state.conflict.current.lesions.map(({ areaPx }) => areaPx), [1]);

  api.failing.delete("saveLabel");
  await session.resolveConflict("mine");
  assert.equal(api.saved.at(-1).params.base_revision, 5);
  assert.deepEqual(marked(api.saved.at(-1).mask.data), [8, 9]);
  assert.equal(session.state.conflict, null);

  api.failing.set("saveLabel", stale());
  api.revisionMasks.set("a/5", maskOf(2, 3));
  await session.setBirads("3");
  await session.submit();
  await session.resolveConflict("theirs");
  assert.deepEqual(marked(viewer.read("a")), [2, 3]);
  assert.deepEqual([session.state.conflict, session.state.dirty, session.state.answer.pathology], [null, false, "malignant"]);
});

test("a server that went away keeps the reader's work, and says so", async () => {
  const { review: session, viewer, api } = await opened();
  viewer.paint([15]);
  api.failing.set("saveLabel", new UnreachableError("the server cannot be reached"));
  await session.setPathology("benign");

  await session.submit();

  assert.deepEqual([session.state.server, session.state.stage, session.state.dirty], ["down", "editing", true]);
  assert.deepEqual(marked(viewer.read("a")), [8, 9, 15]);
});

test("unsaved work is asked for before the next image, and dropped only when told", async () => {
  const { review: session, viewer, api } = await opened();
  api.samples = [{ id: "b", StudyInstanceUID: "1.9", SeriesInstanceUID: "1.9.1", SOPInstanceUID: "b", sonoloop: { reason: "Unsure." } }];
  viewer.paint([15]);

  await session.next();
  assert.equal(session.state.leaving, true);
  await session.confirmLeave(false);
  assert.deepEqual([session.state.leaving, viewer.went.length, session.state.dirty], [false, 0, true]);

  await session.next();
  await session.confirmLeave(true);
  viewer.show(B);
  await settled();
  assert.deepEqual(viewer.went, [{ study: "1.9", series: "1.9.1", sop: "b", frame: null }]);
  assert.deepEqual([session.state.reason, session.hasUnsaved], ["Unsure.", false]);
});

test("the AI is asked of the next image before the viewer has opened it, and once", async () => {
  const { review: session, viewer, api } = await opened();
  api.samples = [{ id: "b_f2", StudyInstanceUID: "1", SeriesInstanceUID: "2", SOPInstanceUID: "b", frame: 2, frame_count: 5 }];
  const before = api.asked.filter((name) => name === "infer").length;

  await session.next();
  assert.equal(api.asked.filter((name) => name === "infer").length, before + 1);
  assert.equal(viewer.went[0].frame, 2);
  viewer.show(image("b", 2), 5);
  await settled();
  assert.equal(api.asked.filter((name) => name === "infer").length, before + 1);
  assert.equal(session.state.stage, "predicted");
});

test("nothing more waits is said, and the image stays", async () => {
  const { review: session } = await opened();

  await session.next();

  assert.match(session.state.message.text, /Nothing waits/);
  assert.equal(session.state.image.imageId, "a");
});

test("a skip needs a reason, is no unsaved work, and opens the next image", async () => {
  const { review: session, viewer, api } = await opened();
  viewer.paint([15]);
  api.samples = [{ id: "b", StudyInstanceUID: "1", SeriesInstanceUID: "2", SOPInstanceUID: "b" }];

  await session.skip("skip", "  ");
  assert.match(session.state.message.text, /reason/);
  await session.skip("not_assessable", "shadow");

  assert.ok(api.asked.includes("skip"));
  assert.equal(viewer.went.length, 1);
});

test("the state is frozen, and new after every change", async () => {
  const { review: session } = await opened();
  const before = session.state;
  let changes = 0;
  session.addEventListener("change", () => (changes += 1));

  await session.setBirads("2");

  assert.ok(Object.isFrozen(session.state) && Object.isFrozen(session.state.answer));
  assert.notEqual(session.state, before);
  assert.equal(before.answer.birads, null);
  assert.ok(changes > 0);
});

test("an explanation is shown over its own image alone", async () => {
  const { review: session, viewer } = await opened();

  await session.toggleExplanation();
  assert.ok(session.state.explanationShown && viewer.overlaid);
  viewer.show(B);
  await settled();

  assert.ok(!session.state.explanationShown && !viewer.overlaid);
});

test("trainings are told as they go", () => {
  assert.equal(trainingOf(undefined).state, "idle");
  assert.deepEqual({ ...trainingOf({ status: "RUNNING", epoch: 3, total_epochs: 12, last_line: "x" }) }, { state: "running", epoch: 3, epochs: 12, share: 0.25, message: "x" });
  assert.equal(trainingOf({ status: "RUNNING", epoch: 12, total_epochs: 12 }).state, "measuring");
  assert.equal(trainingOf({ status: "ERROR" }).state, "failed");
});

test("the figures of a training come with it", () => {
  const curve = { loss: [[1, 0.9]], metric: [[1, 0.4], [2, 0.6]] };
  const told = trainingOf({ status: "RUNNING", epoch: 2, total_epochs: 12, figure: "dice", best_metric: 0.6, eta_seconds: 40, curve });

  assert.deepEqual([told.figure, told.best, told.etaSeconds, told.curve], ["dice", 0.6, 40, curve.metric]);
});

test("while the server is away it is told when it is asked again", async () => {
  const { review: session, api } = await opened();
  session.now = () => 1000;
  api.failing.set("info", new UnreachableError("the server cannot be reached"));
  await session.board.heardState(false, 4000);
  assert.deepEqual([session.state.server, session.state.retryAt], ["down", 5000]);

  api.failing.delete("info");
  await session.board.heardState(true, 0);
  assert.deepEqual([session.state.server, session.state.retryAt], ["ready", null]);
});

test("changes of images that are not open outlive a move to the next one, and are told", async () => {
  const { review: session, viewer, api } = await opened();
  viewer.paint([15]);
  viewer.show(B);
  await settled();
  api.samples = [{ id: "c", StudyInstanceUID: "1", SeriesInstanceUID: "2", SOPInstanceUID: "c" }];

  await session.next();
  assert.equal(session.state.elsewhere, 1);
  viewer.show(A);
  await settled();

  assert.deepEqual(marked(viewer.read("a")), [8, 9, 15]);
  assert.equal(session.state.stage, "editing");
});

test("lesions that touch stay two when an earlier answer is shown again", async () => {
  const api = new FakeApi();
  api.past.set("a", [revision()]);
  const kept = maskOf(7, 8);
  kept.data[8] = 2;
  api.revisionMasks.set("a/1", kept);
  const { review: session } = await opened({ api });

  assert.deepEqual(session.state.lesions.map(({ segment, areaPx }) => [segment, areaPx]), [[1, 1], [2, 1]]);
});

test("another reader sees his own revision, and keeps what was not saved yet", async () => {
  const api = new FakeApi();
  api.past.set("a", [revision({ revision: 1 }), revision({ revision: 2, reader: "bob", pathology: "benign" })]);
  api.revisionMasks.set("a/1", maskOf(0));
  api.revisionMasks.set("a/2", maskOf(5));
  const { review: session, viewer } = await opened({ api });

  await session.setReader("bob");
  await settled();
  assert.deepEqual([marked(viewer.read("a")), session.state.answer.pathology, session.state.earlier.reader], [[5], "benign", "bob"]);

  viewer.paint([9]);
  await session.setReader("carol");
  await settled();
  assert.deepEqual([marked(viewer.read("a")), session.state.earlier, session.state.dirty], [[5, 9], null, true]);
  await session.submit();
  assert.equal(api.saved[0].params.base_revision, 0);
});

test("the AI is asked of the image that the viewer is about to draw, once", async () => {
  const { viewer, api } = await review();

  viewer.comes("a");
  viewer.comes("a");
  viewer.show(A);
  await settled();

  assert.equal(api.asked.filter((name) => name === "infer").length, 1);
});

test("nobody loses his work to the login page", async () => {
  const { review: session, viewer } = await opened();

  await session.login();
  viewer.paint([15]);
  await session.login();

  assert.deepEqual(viewer.went, ["login", "login beside"]);
});

test("a server that is there again is told, and asked for what it did not answer", async () => {
  const api = new FakeApi();
  api.failing.set("infer", new UnreachableError("the server cannot be reached"));
  const { review: session } = await opened({ api });
  assert.deepEqual([session.state.server, session.state.stage, session.state.prediction], ["down", "editing", null]);

  api.failing.clear();
  await session.board.heardState(true);
  await settled();

  assert.deepEqual([session.state.server, session.state.stage, session.state.message], ["ready", "predicted", null]);
});

test("an AI that marks something and calls it normal is not accepted, and nothing is answered", async () => {
  const api = new FakeApi();
  api.predictions.set("a", Promise.resolve({ mask: maskOf(8), params: paramsOf("normal") }));
  const { review: session } = await opened({ api });

  await session.accept();

  assert.match(session.state.message.text, /choose yourself/);
  assert.deepEqual([api.saved.length, session.state.dirty, session.state.answer.pathology], [0, false, null]);
});

test("an AI that marks nothing is accepted as no lesion", async () => {
  const api = new FakeApi();
  api.predictions.set("a", Promise.resolve({ mask: maskOf(), params: paramsOf("normal") }));
  const { review: session } = await opened({ api });

  await session.accept();

  assert.deepEqual([api.saved[0].mask, api.saved[0].params.pathology], [null, "normal"]);
});

test("the open image comes back as it was when it is the next one", async () => {
  const { review: session, viewer, api } = await opened();
  viewer.paint([15]);
  api.samples = [{ id: "a", StudyInstanceUID: "1", SeriesInstanceUID: "2", SOPInstanceUID: "a" }];

  await session.next();
  await session.confirmLeave(true);
  await settled();

  assert.equal(session.state.stage, "predicted");
  assert.deepEqual(marked(viewer.read("a")), [8, 9]);
  assert.match(session.state.message.text, /still the next/);
});
