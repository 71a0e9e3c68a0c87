/**
 * The rejected design, kept for its figures in docs/adr/0003-sqlite-spool.md: the same store on the thread that also runs
 * the SMTP sessions. Only what the benchmark needs: `append` and `record`.
 */
import type { Envelope, MessageBody } from '../envelope.ts';
import { recipientGroups } from '../recipient-group.ts';
import type { AppendRefusal, Outcome, Reference, Spool } from '../spool.ts';
import type { BatchAppend } from '../sqlite-batch.ts';
import { SqliteStore } from '../sqlite-store.ts';
import { batchOutcomes } from '../stored-form.ts';

export function openInThread(path: string): Pick<Spool, 'append' | 'record' | 'close'> {
  const store = new SqliteStore({ path });
  let nextSequence = store.nextSequence;
  let appends: { row: Omit<BatchAppend, 'offset' | 'length'>; body: MessageBody; resolve: () => void }[] = [];
  let outcomes: Outcome[] = [];
  let recorded: (() => void)[] = [];
  let scheduled = false;

  function run(): void {
    scheduled = false;
    const batch = { appends, outcomes, recorded };
    appends = [];
    outcomes = [];
    recorded = [];
    let bytes = 0;
    for (const { body } of batch.appends) for (const chunk of body) bytes += chunk.length;
    const bodies = Buffer.allocUnsafeSlow(bytes);
    let offset = 0;
    const rows = batch.appends.map(({ row, body }) => {
      const start = offset;
      for (const chunk of body) {
        bodies.set(chunk, offset);
        offset += chunk.length;
      }
      return { ...row, offset: start, length: offset - start };
    });
    store.run({
      kind: 'batch',
      parts: [],
      appends: rows,
      outcomes: batchOutcomes([{ outcomes: batch.outcomes }]),
      withdrawn: [],
      reads: [],
      bodies: bodies.buffer,
    });
    for (const { resolve } of batch.appends) resolve();
    for (const resolve of batch.recorded) resolve();
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(run);
  }

  return {
    append(envelope: Envelope, body: MessageBody): Promise<Reference | AppendRefusal> {
      return new Promise((resolve) => {
        const sequence = nextSequence++;
        const row = {
          sequence,
          id: envelope.id,
          groups: recipientGroups(envelope).length,
          parts: 0,
          envelope: JSON.stringify(envelope),
        };
        appends.push({ row, body, resolve: () => resolve({ sequence, id: envelope.id }) });
        schedule();
      });
    },
    record(added: readonly Outcome[]): Promise<{ readonly mismatched: number }> {
      return new Promise((resolve) => {
        outcomes.push(...added);
        recorded.push(() => resolve({ mismatched: 0 }));
        schedule();
      });
    },
    close: async () => store.close(),
  };
}
