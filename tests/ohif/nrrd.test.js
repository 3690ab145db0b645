import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { NrrdError, readNrrd, writeNrrd } from "../../apps/ohif/server/nrrd.js";

const DATA = Uint8Array.from([0, 1, 0, 0, 2, 0]);
const file = (head, body) => Buffer.concat([Buffer.from(`NRRD0004\n${head}\n\n`), body]);
const HEAD = "type: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: 3 2 1\nspace directions: (0.1,0,0) (0,0.2,0) (0,0,1)\nkey:=value: x";

test("a mask that is not square comes back as it was written", async () => {
  const read = await readNrrd(writeNrrd({ columns: 3, rows: 2, data: DATA }));

  assert.deepEqual(read, { columns: 3, rows: 2, data: DATA });
});

test("packed masks are read", async () => {
  const read = await readNrrd(file(`${HEAD}\nencoding: gzip`, gzipSync(DATA)));

  assert.deepEqual([...read.data], [...DATA]);
});

test("a header with carriage returns is read", async () => {
  const read = await readNrrd(Buffer.concat([Buffer.from("NRRD0004\r\ntype: uchar\r\nsizes: 3 2\r\nencoding: raw\r\n\r\n"), DATA]));

  assert.deepEqual([...read.data], [...DATA]);
});

const BAD = {
  "no NRRD file": [Buffer.from("PNG....."), /no NRRD/],
  "a header without an end": [Buffer.from("NRRD0004\ntype: uint8\n"), /no end/],
  "pixels of 16 bits": [file("type: uint16\nsizes: 3 2\nencoding: raw", DATA), /uint16/],
  "several planes": [file("type: uint8\nsizes: 3 1 2\nencoding: raw", DATA), /one plane/],
  "sizes that are no numbers": [file("type: uint8\nsizes: 3 x\nencoding: raw", DATA), /one plane/],
  "a size nobody has memory for": [file("type: uint8\nsizes: 100000 100000\nencoding: raw", DATA), /one plane/],
  "a packing we do not read": [file("type: uint8\nsizes: 3 2\nencoding: bzip2", DATA), /bzip2/],
  "too few pixels": [file("type: uint8\nsizes: 3 3\nencoding: raw", DATA), /cut: 6 of 9/],
  "too many pixels": [file("type: uint8\nsizes: 1 2\nencoding: gzip", gzipSync(DATA)), /header tells 2/],
  "a packing that is broken": [file("type: uint8\nsizes: 3 2\nencoding: gzip", DATA), /cannot be unpacked/],
};
for (const [name, [bytes, told]] of Object.entries(BAD)) {
  test(`${name} is refused`, async () => {
    await assert.rejects(readNrrd(bytes), (error) => error instanceof NrrdError && told.test(error.message));
  });
}

test("pixels that do not fill the picture are not written", () => {
  assert.throws(() => writeNrrd({ columns: 2, rows: 2, data: DATA }), /6 pixels are no mask of 2 x 2/);
});
