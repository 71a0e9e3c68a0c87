import { z } from 'zod';
import type { LaneView, LimitView, MailView } from '../dispatch/mod.ts';
import { directiveSchema } from '../react/mod.ts';

const count = z.int().min(0);
const text = z.string();
const amount = z.number();

/** A lane as it travels. */
export const laneViewSchema: z.ZodType<LaneView> = z.object({
  pool: text,
  site: text,
  ready: count,
  asleep: count,
  waiting: count,
  inFlight: count,
  connections: count,
  connectionsPerSource: z.record(text, count),
  oldestAgeMs: amount,
  pausedUntil: z.exactOptional(text),
  waitsFor: z.exactOptional(text),
  lastReply: z.exactOptional(text),
});

const rateName = z.enum(['connectionRate', 'recipientRate', 'messageRate', 'byteRate']);
const rate = z.exactOptional(z.object({ count: amount, periodMs: amount }));

const limitViewSchema: z.ZodType<LimitView> = z.object({
  id: text,
  limitName: text,
  scope: z.enum(['Cluster', 'Pod']),
  bounds: z.object({
    connections: z.exactOptional(amount),
    connectionRate: rate,
    recipientRate: rate,
    messageRate: rate,
    byteRate: rate,
    burst: z.exactOptional(amount),
  }),
  sources: z.array(text),
  held: z.exactOptional(
    z.object({
      connections: count,
      waiting: count,
      rates: z.array(
        z.object({
          rate: rateName,
          ratePerMs: amount,
          capacity: amount,
          level: amount,
          waiting: amount,
          turnInMs: z.exactOptional(amount),
        }),
      ),
    }),
  ),
  led: z.object({
    leader: text,
    self: text,
    here: z.boolean(),
    granting: z.boolean(),
    key: z.exactOptional(
      z.object({
        connections: z.exactOptional(
          z.object({
            bound: amount,
            inUse: count,
            holders: z.array(z.object({ client: text, count })),
            waiting: count,
          }),
        ),
        rates: z.array(
          z.object({
            rate: rateName,
            ratePerMs: amount,
            burst: amount,
            poolLevel: amount,
            holders: z.array(
              z.object({ client: text, ratePerMs: amount, capacity: amount, once: z.boolean() }),
            ),
            waiting: count,
          }),
        ),
      }),
    ),
  }),
});

/** What stands between mail and its host, as it travels. */
export const mailViewSchema: z.ZodType<MailView> = z.object({
  configHash: text,
  pool: text,
  site: text,
  group: text,
  noRoute: z.exactOptional(text),
  order: z.object({
    kind: z.enum(['carry', 'wait', 'bounce', 'reroute']),
    directive: z.exactOptional(text),
    pool: z.exactOptional(text),
  }),
  lane: z.exactOptional(laneViewSchema),
  demand: z.exactOptional(z.object({ wanted: count, probing: z.boolean() })),
  mail: z.object({
    ready: count,
    asleep: count,
    waiting: count,
    inFlight: count,
    oldestAgeMs: amount,
    nextDueInMs: z.exactOptional(amount),
  }),
  sources: z.array(
    z.object({
      name: text,
      address: text,
      state: z.enum(['Active', 'Draining', 'Disabled']),
      connections: count,
      suspendedBy: z.exactOptional(text),
      restsMs: z.exactOptional(amount),
      waitsFor: z.exactOptional(text),
    }),
  ),
  moreSources: count,
  limits: z.array(limitViewSchema),
  moreLimits: count,
  directives: z.array(directiveSchema),
});
