import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { History } from "../../apps/ohif/viewer/history.js";
import { Labelmaps, NotOpenError } from "../../apps/ohif/viewer/labelmaps.js";

const ROWS = 2;
const COLUMNS = 3;
const FRAMES = 9;

/** As much of the viewer's history as steps need; the viewer's own order of calls. */
class Memos {
  #size = 50;
  ring = [];
  at = -1;

  set size(size) {
    [this.#size, this.ring, this.at] = [size, [], -1];
  }

  get size() {
    return this.#size;
  }

  push(memo) {
    this.ring = [...this.ring.slice(0, this.at + 1), memo];
    this.at += 1;
  }

  get canUndo() {
    return this.at >= 0;
  }

  get canRedo() {
    return this.at + 1 < this.ring.length;
  }

  undo() {
    this.ring[this.at].restoreMemo(true);
    this.at -= 1;
  }

  redo() {
    this.at += 1;
    this.ring[this.at].restoreMemo(false);
  }
}

let images;
let segmentations;
let told;
let shown;
let memos;
let host;

beforeEach(() => {
  [images, segmentations, told, shown, memos] = [new Map(), new Map(), new Map(), 0, new Memos()];
  host = {
    libraries: {
      cornerstone: {
        imageLoader: {
          createAndCacheDerivedLabelmapImage(_viewed, { imageId }) {
            const data = new Uint8Array(ROWS * COLUMNS);
            images.set(imageId, { rows: ROWS, columns: COLUMNS, voxelManager: { getScalarData: () => data } });
            return images.get(imageId);
          },
        },
        cache: { getImage: (id) => images.get(id), removeImageLoadObject: (id) => images.delete(id) },
        metaData: { get: (_kind, id) => ({ of: id }) },
        utilities: {
          genericMetadataProvider: { add: (id, { metadata }) => told.set(id, metadata) },
          HistoryMemo: { DefaultHistoryMemo: memos },
        },
      },
      cornerstoneTools: {
        segmentation: {
          triggerSegmentationEvents: { triggerSegmentationDataModified() {} },
          state: { getCurrentLabelmapImageIdForViewport: (_viewport, id) => segmentations.get(id).representation.data.imageIds[shown] },
        },
      },
    },
    services: {
      segmentationService: {
        getSegmentation: (id) => segmentations.get(id),
        addOrUpdateSegmentation: (made) => segmentations.set(made.segmentationId, made),
        getSegmentationRepresentations: () => [],
        addSegmentationRepresentation: async () => {},
        setActiveSegmentation() {},
      },
    },
  };
});

/** Frame `frame` of a cine in the active viewport. */
function view(frame) {
  const viewed = Array.from({ length: FRAMES }, (_, index) => `cine/frames/${index + 1}`);
  return {
    image: { imageId: `c_f${frame}`, rows: ROWS, columns: COLUMNS },
    viewedId: viewed[frame], viewportId: "v", viewport: { getImageIds: () => viewed }, displaySet: { displaySetInstanceUID: "d" },
  };
}

async function look(masks, frame) {
  shown = frame;
  await masks.prepare(view(frame));
}

const filled = (value) => new Uint8Array(ROWS * COLUMNS).fill(value);

test("every frame has a place for its mask from the beginning, and only the one looked at takes memory", async () => {
  const masks = new Labelmaps(host);

  await look(masks, 4);

  const { imageIds, referencedImageIds } = segmentations.get("sonoloop:d").representation.data;
  assert.equal(imageIds.length, FRAMES);
  assert.equal(new Set(imageIds).size, FRAMES);
  assert.deepEqual([...images.keys()], [imageIds[4]]);
  assert.deepEqual(told.get(imageIds[2]), { of: referencedImageIds[2] });
});

test("masks beyond the budget are packed away and come back as they were", async () => {
  const masks = new Labelmaps(host, 4 * ROWS * COLUMNS);
  for (let frame = 0; frame < FRAMES; frame += 1) {
    await look(masks, frame);
    masks.write(`c_f${frame}`, filled(frame));
  }

  assert.equal(images.size, 4);
  for (let frame = 0; frame < FRAMES; frame += 1) assert.deepEqual(masks.read(`c_f${frame}`), filled(frame));
  await look(masks, 1);
  assert.deepEqual(masks.read("c_f1"), filled(1));
  assert.equal(images.size, 4);
});

test("a frame whose mask is not made cannot be written", async () => {
  const masks = new Labelmaps(host);
  await look(masks, 0);

  assert.throws(() => masks.write("c_f1", filled(1)), NotOpenError);
});

test("a mask of another size is not written", async () => {
  const masks = new Labelmaps(host);
  await look(masks, 0);

  assert.throws(() => masks.write("c_f0", new Uint8Array(5)), /5 pixels does not fit 3 x 2/);
});

test("a viewer that would paint on the mask of another frame is not painted on", async () => {
  const masks = new Labelmaps(host);
  await look(masks, 0);

  shown = 1;
  await assert.rejects(masks.prepare(view(2)), NotOpenError);
});

test("masks outlive the viewer's pictures", async () => {
  const masks = new Labelmaps(host);
  await look(masks, 3);
  masks.write("c_f3", filled(2));

  masks.packAll();

  assert.equal(images.size, 0);
  assert.deepEqual(masks.read("c_f3"), filled(2));
});

test("steps are undone and redone one by one, and those of tools are replaced by ours", () => {
  let drawn = filled(0);
  const history = new History(host, (mask) => (drawn = mask));
  history.begin(filled(0));
  history.note(filled(1));
  memos.push({ restoreMemo: () => assert.fail("a tool's own step was taken back") });
  history.note(filled(2));

  history.undo();
  assert.deepEqual(drawn, filled(1));
  history.undo();
  assert.deepEqual([drawn, history.canUndo, history.canRedo], [filled(0), false, true]);
  history.redo();
  assert.deepEqual(drawn, filled(1));

  history.note(filled(3));
  assert.equal(history.canRedo, false);
  history.undo();
  assert.deepEqual(drawn, filled(1));
});

test("what did not change the mask is no step", () => {
  const history = new History(host, () => {});
  history.begin(filled(0));

  history.note(filled(0));

  assert.equal(history.canUndo, false);
});

test("another picture begins without a past", () => {
  const history = new History(host, () => {});
  history.begin(filled(0));
  history.note(filled(1));

  history.begin(null);

  assert.deepEqual([history.canUndo, history.canRedo], [false, false]);
});
