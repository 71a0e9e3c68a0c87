import { z } from 'zod';

/** A standby takes over when the leader has renewed nothing for so long. */
export const LEASE_DURATION_MS = 60_000;
/** A leader that could not renew for so long stops writing. With one request's timeout it stays below the duration. */
export const RENEW_DEADLINE_MS = 40_000;
/** Between two looks at the lease, and two renewals. */
export const RETRY_PERIOD_MS = 10_000;

/** `coordination.k8s.io/v1` Lease, as far as elections read it. */
export const leaseObject = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string().optional() }),
  spec: z
    .looseObject({
      holderIdentity: z.string().nullish(),
      leaseDurationSeconds: z.number().nullish(),
      acquireTime: z.string().nullish(),
      renewTime: z.string().nullish(),
      leaseTransitions: z.number().nullish(),
    })
    .nullish(),
});

export type LeaseObject = z.infer<typeof leaseObject>;

/** A lease as it was last read, and since when it has been the same on this machine's monotonic clock. */
export interface ObservedLease {
  readonly lease: LeaseObject;
  readonly sinceMs: number;
}

/** What to do about the lease now. */
export type LeaseStep =
  /** Somebody else holds it and may be alive. */
  | { readonly type: 'Wait' }
  /** Write this; the API server refuses it if another one wrote meanwhile. */
  | { readonly type: 'Write'; readonly lease: LeaseObject };

/**
 * Takes note of a lease that was read. Only how long it has not changed *here* is looked at, never the times inside it: the clocks of two machines differ.
 */
export function observe(before: ObservedLease | undefined, lease: LeaseObject, nowMs: number): ObservedLease {
  const same =
    before !== undefined && before.lease.metadata.resourceVersion === lease.metadata.resourceVersion;
  return same ? before : { lease, sinceMs: nowMs };
}

/**
 * Whether to renew, take over, or wait. Pure.
 *
 * @param me identity of this process, different for each start
 * @param nowMs monotonic
 * @param wallTime for people who read the lease: RFC 3339 with microseconds
 */
export function leaseStep(observed: ObservedLease, me: string, nowMs: number, wallTime: string): LeaseStep {
  const { lease, sinceMs } = observed;
  const holder = lease.spec?.holderIdentity ?? '';
  if (holder === me) {
    return { type: 'Write', lease: { ...lease, spec: { ...lease.spec, renewTime: wallTime } } };
  }
  // What the lease says itself, so that one that was released, or another operator's settings, are obeyed.
  const durationMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1_000 || LEASE_DURATION_MS;
  if (holder !== '' && nowMs - sinceMs < durationMs) return { type: 'Wait' };
  return {
    type: 'Write',
    lease: {
      ...lease,
      spec: {
        ...lease.spec,
        holderIdentity: me,
        leaseDurationSeconds: LEASE_DURATION_MS / 1_000,
        acquireTime: wallTime,
        renewTime: wallTime,
        leaseTransitions: (lease.spec?.leaseTransitions ?? 0) + 1,
      },
    },
  };
}

/** The lease of a leader that goes: the next one need not wait. */
export function releasedLease(lease: LeaseObject, wallTime: string): LeaseObject {
  return {
    ...lease,
    spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: wallTime },
  };
}

/** RFC 3339 with microseconds, as Lease has its times (`MicroTime`). */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace('Z', '000Z');
}
