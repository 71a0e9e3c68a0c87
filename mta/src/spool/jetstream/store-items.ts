import { recipientGroups } from '../recipient-group.ts';
import type { StoredItem } from '../segment/owner-command.ts';
import type { SpoolContext } from './jetstream-spool.ts';
import { type Stored, storedForm } from './message-form.ts';

/** What a message of SPOOL or DEFER looks like from outside: JetStream's own types differ in how they were fetched. */
export interface SeenMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly form: Stored;
}

/** The headers of a message; an envelope that is too long for them is fetched with its payload. */
export async function seenMessage(
  { manager }: Pick<SpoolContext, 'manager'>,
  stream: string,
  message: {
    readonly seq: number;
    readonly subject: string;
    readonly headers?: Parameters<typeof storedForm>[0];
    readonly data: Uint8Array;
  },
): Promise<SeenMessage> {
  const { seq: sequence, subject } = message;
  const form = storedForm(message.headers, message.data);
  if (form.kind !== 'long-envelope') return { sequence, subject, form };
  const whole = await manager.streams.getMessage(stream, { seq: sequence });
  return {
    sequence,
    subject,
    form: whole === null ? { kind: 'other' } : storedForm(whole.header, whole.data),
  };
}

/** As the segment's owner wants it; `undefined` = a part of a body, or nothing of ours. */
export function storedItem({ sequence, subject, form }: SeenMessage): StoredItem | undefined {
  const epoch = Number(subject.slice(subject.lastIndexOf('.') + 1));
  if (form.kind === 'marker') return { sequence, epoch, id: form.session, groups: 0 };
  if (form.kind !== 'message') return undefined;
  return { sequence, epoch, id: form.envelope.id, groups: recipientGroups(form.envelope).length };
}
