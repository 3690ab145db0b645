import type { OpenImage, Tool } from '../review/types';

/** What the review needs of the viewer; `tests/ohif` has another one without a browser. */
export interface Viewer {
  /** The image in the active viewport; null when none is open, or it is no ultrasound picture. */
  opened(): Opened | null;
  /** Called when another image is open, and with null when none is. */
  onOpened(listener: (opened: Opened | null) => void): () => void;
  /** Called, perhaps often, with the image that is about to be drawn, while none is open. */
  onComing(listener: (imageId: string) => void): () => void;
  /** Called after a tool, undo or redo has changed the mask of the open image. */
  onPainted(listener: (imageId: string) => void): () => void;

  /** Called when another tool is taken in hand; null for one that is none of ours. */
  onTool(listener: (tool: Tool | null) => void): () => void;

  /** A copy of the mask of an image, row after row; null when it has none yet. */
  read(imageId: string): Uint8Array | null;
  /**
   * Shows a mask on the open image.
   * @throws {NotOpenError} When another image is open; nothing is written then.
   */
  write(imageId: string, mask: Uint8Array, options: { undoable: boolean }): void;
  /** Gives the open image a mask to paint on; what was on it before comes back. Resolves to false when it is gone meanwhile. */
  prepare(imageId: string): Promise<boolean>;
  /** Forgets what is kept of an image that is not open. */
  forget(imageId: string): void;

  /** Lets tools paint this segment. */
  paintWith(segment: number): void;
  /** As CSS writes it; undefined while the viewer has none for it. */
  colourOf(segment: number): string | undefined;
  setTool(tool: Tool): void;
  setBrush(radiusPx: number): void;
  setThreshold(low: number, high: number): void;
  undo(): void;
  redo(): void;
  canUndo(): boolean;
  canRedo(): boolean;

  /** Lays a picture of the image's own grid over it; null takes it away. */
  overlay(imageId: string, picture: Blob | null): void;
  openFrame(frame: number): Promise<void>;
  /** Opens an image of any study. */
  goTo(image: { study: string; series: string; sop: string; frame: number | null }): void;
  /** Shows the login page: in this window, which comes back to the open image, or in another one beside it. */
  login(beside: boolean): void;
}

export interface Opened {
  readonly image: OpenImage;
  /** Frames of the cine; 1 for a single picture. */
  readonly frames: number;
}
