import { z } from 'zod';
import { directiveSchema } from '../react/mod.ts';

const count = z.int().min(0);
const perSecond = z.number().min(0);
const text = z.string();

/** Rates of the last seconds, per second. */
const rates = z.object({
  messages: perSecond,
  delivered: perSecond,
  deferred: perSecond,
  failed: perSecond,
});

/** What happens on a pod now: `GET /activity`, and its answer to `sluice top`. Rates are per second, of the last seconds. */
export const podActivitySchema = z.object({
  acceptedPerSecond: perSecond,
  /** All that leaves. */
  recent: rates,
  clientConnections: count,
  connections: count,
  queue: z.object({
    ready: count,
    sleeping: count,
    scheduled: count,
    inFlight: count,
    oldestAgeMs: z.number().min(0),
  }),
  /** Sites with most mail, connections and outcomes. */
  sites: z.array(
    z.object({
      pool: text,
      site: text,
      group: text,
      recent: rates,
      /** Recipient groups: all, and of these what waits for a limit, and what waits for its time. */
      queued: count,
      asleep: count,
      waiting: count,
      connections: count,
      connectionBound: z.exactOptional(count),
      oldestAgeMs: z.number().min(0),
      pausedUntil: z.exactOptional(text),
      waitsFor: z.exactOptional(text),
      lastReply: z.exactOptional(text),
    }),
  ),
  /** Sources that send most. */
  sources: z.array(z.object({ pool: text, source: text, recent: rates, connections: count })),
  directives: z.array(directiveSchema),
  /** Rows that were left out. */
  more: z.object({ sites: count, sources: count, directives: count }),
});

export type PodActivity = z.infer<typeof podActivitySchema>;
export type SiteRow = PodActivity['sites'][number];
export type SourceRow = PodActivity['sources'][number];
