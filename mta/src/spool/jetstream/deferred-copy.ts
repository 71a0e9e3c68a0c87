import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import type { MsgHdrs } from '@nats-io/transport-node';
import type { Place } from '../segment/place.ts';
import type { SpoolContext } from './jetstream-spool.ts';
import { messageForm, partHeaders, storedForm } from './message-form.ts';

/** Publishes and waits for the ack; the sequence, or `undefined` when it is not certain that it is stored. */
export type PublishOnce = (
  subject: string,
  payload: Uint8Array,
  headers: MsgHdrs,
) => Promise<number | undefined>;

/**
 * Copies a message, with its parts, to another subject.
 *
 * @returns the sequences of the copy and of its parts; `undefined` when the message is not there or a publish had no ack
 */
export async function copyMessage(
  { manager }: Pick<SpoolContext, 'manager'>,
  publish: PublishOnce,
  stream: string,
  place: Place,
  subject: string,
): Promise<{ readonly sequence: number; readonly parts: readonly number[] } | undefined> {
  const original = await fetched(manager, stream, place.sequence);
  if (original === undefined) return undefined;
  const form = storedForm(original.header, original.data);
  if (form.kind !== 'message' || form.envelope.id !== place.id) return undefined;
  const parts: number[] = [];
  for (const [number, sequence] of form.parts.entries()) {
    const part = await fetched(manager, stream, sequence);
    if (part === undefined) return undefined;
    const stored = await publish(subject, part.data, partHeaders(place.id, number));
    if (stored === undefined) return undefined;
    parts.push(stored);
  }
  // The payload already begins with an envelope that is too long for a header.
  const { headers } = messageForm(form.envelope, parts);
  const sequence = await publish(subject, original.data, headers);
  return sequence === undefined ? undefined : { sequence, parts };
}

async function fetched(
  manager: JetStreamManager,
  stream: string,
  sequence: number,
): Promise<StoredMsg | undefined> {
  const found =
    (await manager.direct.getMessage(stream, { seq: sequence })) ??
    (await manager.streams.getMessage(stream, { seq: sequence }));
  return found ?? undefined;
}
