import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { until } from './until.ts';

const eventSchema = z.object({
  type: z.string(),
  time: z.string().default(''),
  id: z.string(),
  recipients: z.array(z.string()),
  source: z.string().default(''),
  reaction: z.string().default(''),
  directives: z.array(z.string()).default([]),
  reply: z.object({ code: z.number(), enhanced: z.string(), text: z.string() }).exactOptional(),
});

/** One line of the events file, as far as the end-to-end tests need it. */
export type EventLine = z.infer<typeof eventSchema>;

/** File of `spec.events` that tests use. */
export const EVENTS_FILE = 'events.jsonl';

const TERMINAL = new Set(['delivered', 'bounced', 'expired']);

/** The events written so far; a last line that is half written is left out. */
export function readEvents(directory: string): readonly EventLine[] {
  const file = join(directory, EVENTS_FILE);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => eventSchema.parse(JSON.parse(line)));
}

/** How often each recipient of each message was told to be done: exactly once is right. Key: id and address. */
function terminalEvents(events: readonly EventLine[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { type, id, recipients } of events) {
    for (const address of recipients) {
      const key = `${id} ${address}`;
      if (type === 'accepted') counts.set(key, counts.get(key) ?? 0);
      if (TERMINAL.has(type)) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return counts;
}

/** Time in which what happened is in the file: lines are written in batches, and the machine may be busy. */
const WRITTEN_WITHIN_MS = 2_000;

/** Waits until each of so many recipients has exactly one event that says it is done. */
export async function oneEndEach(directory: string, recipients: number): Promise<void> {
  await until(
    `one end is told of each of ${recipients} recipients`,
    () => {
      const counts = [...terminalEvents(readEvents(directory)).values()];
      return { recipients: counts.length, notOnce: counts.filter((count) => count !== 1).length };
    },
    (seen) => seen.recipients === recipients && seen.notOnce === 0,
    WRITTEN_WITHIN_MS,
  );
}
