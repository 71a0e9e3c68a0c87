import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { podFactsSchema } from '@sluice/crds';
import { z } from 'zod';
import type { PodSessionView } from '../cluster.ts';
import { SEGMENTS } from '../segment/place.ts';
import { SESSION_HISTORY } from '../segment/session-watch.ts';
import { type LifeSign, NO_LIFE_SIGN } from './life-sign.ts';

/** Sessions that nobody renews any more are forgotten by the server after so long. */
const FORGET_AFTER_NANOS = 3_600 * 1e9;

/** What a session says with each renewal. */
export interface SessionValue extends PodSessionView {
  /** Rises with every renewal. */
  readonly renewals: number;
  /** It says itself that it is over: it has nothing open any more. */
  readonly ended: boolean;
  readonly life: LifeSign;
}

const sessionValue = podFactsSchema.extend({
  session: z.string().length(26),
  renewals: z.int().min(0),
  ended: z.boolean(),
  segments: z.string(),
  life: z.object({ home: z.string(), socket: z.string() }).default(NO_LIFE_SIGN),
});

/** As JSON; the segments as a bit map, base64. */
export function encodeSession({ segments, ...rest }: SessionValue): Uint8Array {
  const bits = Buffer.alloc(SEGMENTS / 8);
  for (const segment of segments) bits[segment >> 3] = (bits[segment >> 3] ?? 0) | (1 << (segment & 7));
  return Buffer.from(JSON.stringify({ ...rest, segments: bits.toString('base64') }));
}

/** The inverse of {@link encodeSession}; `undefined` = not written by Sluice, or the key was removed. */
export function decodeSession(bytes: Uint8Array): SessionValue | undefined {
  if (bytes.length === 0) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = sessionValue.safeParse(json);
  if (!parsed.success) return undefined;
  const bits = Buffer.from(parsed.data.segments, 'base64');
  const segments: number[] = [];
  for (let segment = 0; segment < SEGMENTS; segment++)
    if (((bits[segment >> 3] ?? 0) & (1 << (segment & 7))) !== 0) segments.push(segment);
  return { ...parsed.data, segments };
}

/**
 * Makes the key-value bucket of sessions if it is not there. It lies in files: a replica in memory is empty when its server has been started anew, and two
 * empty ones of three elect no leader until the third is back (ADR 0035). It keeps {@link SESSION_HISTORY} revisions of a session, so that a watch that is
 * behind loses none.
 */
export async function ensureSessionBucket(
  manager: JetStreamManager,
  stream: string,
  subjects: string,
  replicas: number,
): Promise<void> {
  try {
    await manager.streams.info(stream);
    return;
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamNotFound) throw error;
  }
  try {
    await manager.streams.add({
      name: stream,
      subjects: [subjects],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.New,
      max_msgs_per_subject: SESSION_HISTORY,
      max_age: FORGET_AFTER_NANOS,
      num_replicas: replicas,
      allow_direct: true,
      allow_rollup_hdrs: true,
      deny_delete: true,
    });
  } catch (error) {
    // Another pod was faster.
    await manager.streams.info(stream).catch(() => {
      throw error;
    });
  }
}
