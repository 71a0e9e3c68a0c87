import type { Envelope, MessageBody } from '../spool/mod.ts';

/**
 * What intake hands over: a checked message that the client waits for. Resolves with `undefined` once the message
 * is durable (then the client reads 250), or with the reply that refuses it.
 */
export type AcceptMessage = (envelope: Envelope, body: MessageBody) => Promise<Rejection | undefined>;

export interface Rejection {
  readonly code: number;
  readonly enhanced: string;
  readonly text: string;
}
