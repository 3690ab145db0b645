/**
 * The contract between the review session and whatever shows it (the panel).
 *
 * A panel holds no state of its own that matters: OHIF unmounts it on every change of tab. It reads `review.state`, renders it, renders
 * again on every `change`, and calls the actions. Actions never throw: what went wrong is in `state.message`. Every state object is new and
 * frozen, so `previous.lesions !== state.lesions` tells whether a part has to be drawn again.
 */

/** How the server is doing; `login`: it asks who is there (`review.login()` goes to the login page and comes back). */
export type ServerState = 'connecting' | 'ready' | 'down' | 'login';

/**
 * What is known about the open image. `loading`: its answer is on the way; `predicted`: the AI mask is shown untouched; `earlier`: the
 * reader's own earlier revision is shown, a draft too; `skipped`: he has said that he skips it, or that it is not assessable; `editing`: the
 * reader has changed something; `saving`, `saved` (submitted): as they say. `none`: no image.
 */
export type Stage = 'none' | 'loading' | 'predicted' | 'earlier' | 'skipped' | 'editing' | 'saving' | 'saved';

export type Pathology = 'normal' | 'benign' | 'malignant';
export type Task = 'segmentation' | 'classification';
export type SkipKind = 'skip' | 'not_assessable';
export type Tool = 'brush' | 'eraser' | 'contour' | 'threshold' | 'pan' | 'windowLevel';

/** BI-RADS categories as the server takes them (ACR BI-RADS Atlas, 5th edition). */
export type Birads = '0' | '1' | '2' | '3' | '4' | '4A' | '4B' | '4C' | '5' | '6';

export interface Message {
  readonly kind: 'info' | 'error';
  readonly text: string;
}

export interface OpenImage {
  /** SOPInstanceUID, with `_f<k>` for frame k (from 0) of a cine: the id that every route of the server takes. */
  readonly imageId: string;
  readonly study: string;
  readonly series: string;
  readonly sop: string;
  /** From 0; null for a single image. */
  readonly frame: number | null;
  readonly rows: number;
  readonly columns: number;
  /** Millimetres between pixel centres, (row, column); null where the image carries no scale. */
  readonly spacing: readonly [number, number] | null;
}

export interface Prediction {
  readonly pathology: Pathology | null;
  /** In [0, 1], by pathology; empty where no classifier serves. */
  readonly probabilities: Readonly<Record<string, number>>;
  /** Estimated 1 - Dice of the mask, in [0, 1]; null where it is not told. */
  readonly uncertainty: number | null;
  /** Entropy of the probabilities as a share of the largest, in [0, 1]; null where it is not told. */
  readonly pathologyUncertainty: number | null;
  readonly lesions: number;
  /** Id of the model that answered, by task. */
  readonly models: Readonly<Record<string, string>>;
  readonly explanation: { readonly available: boolean; readonly reason: string | null };
}

export interface Answer {
  readonly pathology: Pathology | null;
  readonly birads: Birads | null;
  /** The reader says that there is no lesion in this image. */
  readonly noLesion: boolean;
}

export interface Lesion {
  /** Its number in the labelmap, 1..n. */
  readonly segment: number;
  readonly areaPx: number;
  /** Null where the image carries no scale. */
  readonly areaMm2: number | null;
  /** As CSS writes it, the one the viewer draws it in; left out where it is not known. */
  readonly colour?: string;
}

/** A revision as `GET /sonoloop/revisions` tells it. */
export interface Revision {
  readonly annotation: number;
  readonly image: string;
  readonly revision: number;
  readonly reader: string;
  readonly state: 'draft' | 'submitted' | 'accepted' | 'rejected' | 'conflicting';
  readonly pathology: Pathology | null;
  readonly birads: Birads | null;
  readonly hasMask: boolean;
  readonly created: string;
  /** What its outline holds; left out where that was not asked for. */
  readonly lesions?: readonly Lesion[];
}

/** Somebody saved under the same name meanwhile: `kept` is what was sent now, `current` what stands. Both are on the server. */
export interface Conflict {
  readonly kept: Revision;
  readonly current: Revision;
}

/** What a reader said instead of an answer, as `POST /sonoloop/skips` tells it. */
export interface Skip {
  readonly kind: SkipKind;
  readonly reason: string;
  readonly created: string;
}

export interface Strategy {
  readonly name: string;
  readonly description: string;
}

/** `waiting`: behind another training; `done` covers published, held and rejected, and `message` says which. */
export interface Training {
  readonly state: 'idle' | 'waiting' | 'running' | 'measuring' | 'done' | 'failed' | 'stopped';
  readonly epoch: number;
  readonly epochs: number;
  /** 0..1, null while nobody knows. */
  readonly share: number | null;
  readonly message: string;
  /** What `curve` and `best` tell; left out while nothing was measured. */
  readonly figure?: 'dice' | 'auc';
  readonly best?: number | null;
  /** Figure on the validation images, as (epoch, value), oldest first. */
  readonly curve?: readonly (readonly [number, number])[];
  readonly etaSeconds?: number | null;
}

export interface ServingModel {
  readonly id: string;
  readonly published: string | null;
}

/** A cine; `masks` are the frames (from 0) on which something is marked, answered or predicted in this sitting. */
export interface Frames {
  readonly total: number;
  readonly masks: readonly number[];
  readonly submitted: readonly number[];
}

export interface ReviewState {
  readonly server: ServerState;
  /** While the server is down: when it is asked again, in milliseconds since the epoch. */
  readonly retryAt?: number | null;
  readonly image: OpenImage | null;
  readonly stage: Stage;
  readonly message: Message | null;
  readonly prediction: Prediction | null;
  readonly answer: Answer;
  readonly lesions: readonly Lesion[];
  /** Number of the segment that the tools paint; null while there is none. */
  readonly activeLesion: number | null;
  readonly dirty: boolean;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  readonly conflict: Conflict | null;
  /** The reader's newest revision of the open image. */
  readonly earlier: Revision | null;
  /** Null unless the reader's last word on the open image was that he skips it, or cannot assess it. */
  readonly skipped: Skip | null;
  /** How many images that are not open hold changes of this window that are not saved. */
  readonly elsewhere: number;
  readonly explanationShown: boolean;
  /** Null unless a cine is open. */
  readonly frames: Frames | null;
  readonly strategies: readonly Strategy[];
  readonly strategy: string | null;
  /** Why this image was chosen; null when the reader opened it himself. */
  readonly reason: string | null;
  readonly progress: { readonly completed: number; readonly total: number };
  readonly training: Readonly<Record<Task, Training>>;
  readonly models: Readonly<Partial<Record<Task, ServingModel>>>;
  readonly reader: string;
  /** False while accounts are on: the name is the account's then. */
  readonly readerMayChange: boolean;
  /** False where the account's role may not start and stop trainings. */
  readonly mayTrain: boolean;
  /** Null while a tool of the viewer's own toolbar is in hand. */
  readonly tool: Tool | null;
  /** Radius of the brush in pixels of the image. */
  readonly brushSize: number;
  /** Grey levels (0..255, both inclusive) between which the threshold brush paints. */
  readonly threshold: readonly [number, number];
  /** An action is waiting for the reader to say what to do with unsaved work: `confirmLeave(true)` drops it, `false` stays. */
  readonly leaving: boolean;
  /** Names of actions that are on the way, for disabling their buttons. */
  readonly busy: readonly string[];
}

export interface Review extends EventTarget {
  /** Frozen; a new object after every change. */
  readonly state: ReviewState;
  addEventListener(type: 'change', listener: (event: Event) => void): void;
  removeEventListener(type: 'change', listener: (event: Event) => void): void;

  /** Asks the model again and shows its mask (undoable). */
  predict(): Promise<void>;
  /** Takes over the AI's mask and pathology as they are and submits; with a BI-RADS still unset that is submitted unset. */
  accept(): Promise<void>;
  setPathology(pathology: Pathology | null): Promise<void>;
  setBirads(birads: Birads | null): Promise<void>;
  addLesion(): Promise<void>;
  selectLesion(segment: number): Promise<void>;
  removeLesion(segment: number): Promise<void>;
  /** Empties the mask (undoable) and answers `normal`; `noLesion(false)`, or another pathology, brings it back. */
  noLesion(on?: boolean): Promise<void>;
  /** Gives the image to others (`skip`) or answers that it is not assessable, and opens the next one. `reason` must not be empty. */
  skip(kind: SkipKind, reason: string): Promise<void>;
  submit(): Promise<void>;
  saveDraft(): Promise<void>;
  /** Opens the next image of the strategy, once an answer on its way is kept; with unsaved work it asks first (`state.leaving`). */
  next(): Promise<void>;
  confirmLeave(leave: boolean): Promise<void>;
  /** Opens an image that holds changes which are not saved. */
  openUnsaved(): Promise<void>;
  setStrategy(name: string): Promise<void>;
  startTraining(task: Task): Promise<void>;
  stopTraining(): Promise<void>;
  /** `mine`: what was sent now is saved upon what stands; `theirs`: what stands is loaded. */
  resolveConflict(choice: 'mine' | 'theirs'): Promise<void>;
  /** Lays what spoke for the AI's diagnosis over the image, and takes it away. Nothing is painted under it: a painting tool is put aside. */
  toggleExplanation(): Promise<void>;
  setTool(tool: Tool): Promise<void>;
  setBrushSize(radiusPx: number): Promise<void>;
  setThreshold(low: number, high: number): Promise<void>;
  undo(): Promise<void>;
  redo(): Promise<void>;
  /** Asks the server anew: counts, models, trainings, and the open image where it has not been answered. */
  refresh(): Promise<void>;
  setReader(name: string): Promise<void>;
  /** Opens frame `frame` (from 0) of the open cine. */
  openFrame(frame: number): Promise<void>;
  /** Shows the login page; the reader comes back to the open image. With unsaved work it opens in a window beside this one. */
  login(): Promise<void>;
  dismissMessage(): Promise<void>;
}
