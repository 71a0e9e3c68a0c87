import { z } from 'zod';
import { until } from './until.ts';

const queueSchema = z.object({
  entries: z.number(),
  lanes: z.array(
    z.object({
      pool: z.string(),
      site: z.string(),
      ready: z.number(),
      asleep: z.number(),
      waiting: z.number(),
      inFlight: z.number(),
      connections: z.number(),
      lastReply: z.string().default(''),
    }),
  ),
});

/** What the admin API's `/queue` says, as far as the end-to-end tests need it. */
export type QueueSnapshot = z.infer<typeof queueSchema>;
export type QueueLane = QueueSnapshot['lanes'][number];

/** Lanes asked for: more than any test has. */
const ALL_LANES = 10_000;

/** Reads the queue of a running Sluice. */
export async function readQueue(admin: string): Promise<QueueSnapshot> {
  const response = await fetch(`${admin}/queue?limit=${ALL_LANES}`);
  return queueSchema.parse(await response.json());
}

/** Waits until nothing is queued. */
export async function emptyQueue(admin: string, timeoutMs: number): Promise<void> {
  await until(
    'the queue is empty',
    () => readQueue(admin),
    (queue) => queue.entries === 0,
    timeoutMs,
  );
}
