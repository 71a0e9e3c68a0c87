import type { LivingSession } from './session-book.ts';

/** What is known of the pods. */
export type FeedbackState =
  /** No NATS is named: pods cannot report. */
  | { readonly type: 'None' }
  /** It has just begun, and knows nothing yet. */
  | { readonly type: 'Waiting' }
  /** NATS cannot be reached, or not be read. */
  | { readonly type: 'Lost'; readonly reason: string }
  | { readonly type: 'Known'; readonly sessions: readonly LivingSession[] };

/** Where feedback comes from. */
export interface FeedbackSource {
  readonly state: FeedbackState;
  /** The listener is called when it is another one; returns how to stop listening. */
  onChange(listener: () => void): () => void;
  start(): void;
  stop(): Promise<void>;
}

/** Of an operator without NATS. */
export const NO_FEEDBACK: FeedbackSource = {
  state: { type: 'None' },
  onChange: () => () => {},
  start() {},
  async stop() {},
};
