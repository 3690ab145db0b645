import type { Review, ReviewState } from "../review/types.js";

/** A part of the panel: an element that is made once, and what keeps it right. */
export interface Part {
  readonly element: HTMLElement;
  update(state: ReviewState): void;
}

/** What parts need beside the review. */
export interface Helpers {
  readonly review: Review;
  /** Says something to those who listen, without changing what is seen. */
  announce(text: string): void;
  openSkip(): void;
  openHelp(): void;
  openStopTraining(): void;
}
