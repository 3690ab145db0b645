import assert from "node:assert/strict";
import { test } from "node:test";

import { askFor } from "../../apps/ohif/early.js";
import { addressOf, loginAddress, routeOf } from "../../apps/ohif/viewer/navigation.js";
import { imageOfAddress } from "../../apps/ohif/viewer/ids.js";
import { placeOf } from "../../apps/ohif/viewer/watching.js";

const FRAME = { study: "1.2", series: "1.2.3", sop: "1.2.3.4", frame: 2 };
const asking = () => {
  const asked = [];
  const note = (imageId) => {
    asked.push(imageId);
    return Promise.reject(new Error("nobody waits for it"));
  };
  return { asked, api: { infer: note, revisions: note } };
};

test("an address opens the image it was made for", () => {
  const route = routeOf(FRAME, 7);

  assert.equal(route, "/sonoloop?StudyInstanceUIDs=1.2&initialSeriesInstanceUID=1.2.3&initialSOPInstanceUID=1.2.3.4&frame=2&t=7");
  assert.equal(imageOfAddress(route.slice(route.indexOf("?"))), "1.2.3.4_f2");
  assert.ok(!addressOf("/x", { ...FRAME, frame: null }).includes("frame"));
});

test("the login page knows the way back, below a proxy's prefix too", () => {
  const root = new URL("https://clinic.example/sono/");

  assert.equal(
    loginAddress({ pathname: "/sono/ohif/sonoloop", search: "?a=1&b=2" }, root),
    "https://clinic.example/sono/login?next=%2Fsono%2Fohif%2Fsonoloop%3Fa%3D1%26b%3D2",
  );
  assert.equal(loginAddress(null, root), "https://clinic.example/sono/login?beside=viewer");
});

test("an address that names an image is asked of at once, in our mode alone", () => {
  const { asked, api } = asking();
  const search = "?StudyInstanceUIDs=1&initialSOPInstanceUID=1.2.3";

  assert.equal(askFor({ pathname: "/ohif/viewer", search }, api), null);
  assert.equal(askFor({ pathname: "/ohif/sonoloop", search: "?StudyInstanceUIDs=1" }, api), null);
  assert.equal(askFor({ pathname: "/ohif/sonoloop", search }, api)?.imageId, "1.2.3");
  assert.deepEqual(asked, ["1.2.3", "1.2.3"]);
});

test("an image is found among those that are open", () => {
  const known = { "s/frames/1": ["a", 1], "t/frames/1": ["b", 3], "t/frames/2": ["b", 3] };
  const get = (_kind, id) => ({ SOPInstanceUID: known[id][0], NumberOfFrames: known[id][1] });
  const host = { libraries: { cornerstone: { metaData: { get } } } };
  const viewport = { getImageIds: () => Object.keys(known) };

  assert.equal(placeOf(host, viewport, { sop: "a", frame: null }), 0);
  assert.equal(placeOf(host, viewport, { sop: "b", frame: 1 }), 2);
  assert.equal(placeOf(host, viewport, { sop: "b", frame: null }), -1);
  assert.equal(placeOf(host, viewport, { sop: "c", frame: null }), -1);
});
