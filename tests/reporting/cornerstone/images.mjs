// The metadata of ultrasound images as OHIF gives it to Cornerstone: no place in the patient, so the
// plane is the default one and says so.

import { metaData } from "@cornerstonejs/core";

/**
 * @typedef {object} Source
 * @property {string} study
 * @property {string} series
 * @property {string} sop
 * @property {string} sopClass
 * @property {number} rows
 * @property {number} columns
 * @property {number} frames
 */

/** @type {(source: Source, frame: number) => string} */
export const imageIdOf = (source, frame) => `wadors:/instances/${source.sop}/frames/${frame}`;

/** @type {(sources: Source[]) => string[]} */
export const imageIdsOf = (sources) =>
  sources.flatMap((source) =>
    Array.from({ length: source.frames }, (_, k) => imageIdOf(source, k + 1)),
  );

/** @type {(source: Source) => Record<string, unknown>} */
const instanceOf = (source) => ({
  SOPClassUID: source.sopClass,
  SOPInstanceUID: source.sop,
  StudyInstanceUID: source.study,
  SeriesInstanceUID: source.series,
  Modality: "US",
  Rows: source.rows,
  Columns: source.columns,
  PatientName: "Foreign^Tool",
  PatientID: "P1",
});

const PLANE = {
  usingDefaultValues: true,
  imagePositionPatient: [0, 0, 0],
  imageOrientationPatient: [1, 0, 0, 0, 1, 0],
  rowCosines: [1, 0, 0],
  columnCosines: [0, 1, 0],
  rowPixelSpacing: 1,
  columnPixelSpacing: 1,
  pixelSpacing: [1, 1],
};

/**
 * @param {Source[]} sources
 * @param {boolean} placed Say that the default plane is the image's own, as a site might.
 * @returns {{ get: (kind: string, imageId: string) => unknown }}
 */
export function providerOf(sources, placed = false) {
  const custom = new Map();
  const provider = {
    /** @type {(kind: string, imageId: string) => unknown} */
    get(kind, imageId) {
      if (custom.has(`${imageId} ${kind}`)) return custom.get(`${imageId} ${kind}`);
      const source = sources.find((one) => imageId.includes(`/${one.sop}/`));
      if (!source) return undefined;
      const size = { rows: source.rows, columns: source.columns };
      const instance = instanceOf(source);
      if (placed) {
        Object.assign(instance, {
          ImagePositionPatient: [0, 0, 0],
          ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
          PixelSpacing: [1, 1],
          FrameOfReferenceUID: `${source.series}.1`,
        });
      }
      /** @type {Record<string, unknown>} */
      const modules = {
        generalImageModule: { sopInstanceUID: source.sop },
        generalSeriesModule: { seriesInstanceUID: source.series, modality: "US" },
        imagePlaneModule: { ...PLANE, ...size, usingDefaultValues: !placed },
        imagePixelModule: { ...size, bitsAllocated: 8, samplesPerPixel: 1, pixelRepresentation: 0 },
        instance,
        StudyData: { StudyInstanceUID: source.study, PatientID: "P1", PatientName: "Foreign^Tool" },
        SeriesData: { SeriesInstanceUID: source.series, Modality: "US" },
        ImageData: instance,
      };
      return modules[kind];
    },
    /** @type {(imageId: string, kind: string, value: unknown) => void} */
    addCustomMetadata: (imageId, kind, value) => custom.set(`${imageId} ${kind}`, value),
  };
  metaData.addProvider(provider.get, 10_000);
  return provider;
}
