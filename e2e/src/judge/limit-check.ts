import { busiestWindow, RATE_BUCKET_MS } from '@sluice/mta/sink';
import type { ProviderRecord } from '../internet/internet.ts';

/** What a policy allows one source towards one provider. */
export interface AllowedRate {
  readonly connections: number;
  readonly recipientsPerSecond: number;
  /** Recipients that may come at once after a pause. */
  readonly burst: number;
}

export interface LimitViolation {
  readonly provider: string;
  readonly domain: string;
  readonly source: string;
  readonly what: string;
}

/** Windows in which rates are judged, milliseconds. */
export const JUDGED_WINDOWS_MS = [2_000, 5_000, 10_000, 30_000];

/**
 * Time by which two RCPTs may come closer together on the wire than they were let go: scheduling of two processes and the
 * width of a bucket.
 */
export const WIRE_JITTER_MS = 100 + RATE_BUCKET_MS;

/**
 * Compares what a provider's hosts saw of each source with what the policy allows. Empty = no limit was broken.
 *
 * Example: allowed 5 connections, a peak of 6 → one violation.
 */
export function limitViolations(record: ProviderRecord, allowed: AllowedRate): readonly LimitViolation[] {
  const violations: LimitViolation[] = [];
  for (const source of record.sources) {
    const place = { provider: record.name, domain: record.domain, source: source.address };
    if (source.peakConnections > allowed.connections) {
      violations.push({
        ...place,
        what: `${source.peakConnections} connections, ${allowed.connections} allowed`,
      });
    }
    for (const windowMs of JUDGED_WINDOWS_MS) {
      const most = busiestWindow(source.buckets, windowMs);
      const limit = (allowed.recipientsPerSecond * (windowMs + WIRE_JITTER_MS)) / 1000 + allowed.burst;
      if (most > limit) {
        violations.push({
          ...place,
          what: `${most} recipients in ${windowMs} ms, ${Math.floor(limit)} allowed`,
        });
      }
    }
  }
  return violations;
}
