import { SluiceError } from '@sluice/crds';
import { z } from 'zod';
import { LISTING_KEYS, type ListingFilter, type ListingKey, type ListingRow } from '../dispatch/mod.ts';

/** An MTA that says nothing for so long is reported as unreachable, milliseconds. */
export const ADMIN_TIMEOUT_MS = 10_000;

/** Most rows that one MTA is asked for. */
const MAX_ROWS = 10_000;

const count = z.int().min(0);
const listingSchema = z.object({
  by: z.enum(LISTING_KEYS),
  total: count,
  rows: z.array(
    z.object({
      pool: z.string(),
      site: z.string(),
      tenant: z.string(),
      domain: z.string(),
      ready: count,
      asleep: count,
      waiting: count,
      inFlight: count,
      recipients: count,
      oldestAcceptedAtMs: z.number(),
      nextDueAtMs: z.number(),
      lastReply: z.string(),
      lastReplyAtMs: z.number(),
    }),
  ),
});

export interface FetchedListing {
  readonly rows: readonly ListingRow[];
  /** Rows that the MTA had beyond those. */
  readonly left: number;
}

/**
 * Asks an MTA for its queue.
 *
 * @throws {SluiceError} `SLUICE_ADMIN_UNREACHABLE`
 *
 * Example: `const { rows } = await fetchListing('127.0.0.1:9025', 'Tenant', {})`
 */
export async function fetchListing(
  admin: string,
  by: ListingKey,
  filter: ListingFilter,
): Promise<FetchedListing> {
  const url = new URL(`${/^https?:/.test(admin) ? admin : `http://${admin}`}/queue/list`);
  url.search = new URLSearchParams({ by, limit: String(MAX_ROWS), ...filter }).toString();
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ADMIN_TIMEOUT_MS) });
    if (!response.ok) throw new Error(`it answers ${response.status} ${await response.text()}`);
    const { rows, total } = listingSchema.parse(await response.json());
    return { rows, left: total - rows.length };
  } catch (error) {
    throw new SluiceError(
      'SLUICE_ADMIN_UNREACHABLE',
      { url: url.origin, reason: reasonOf(error) },
      {},
      error,
    );
  }
}

/** `fetch` hides what happened in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof z.ZodError) return 'it is no Sluice of this version';
  return error.cause instanceof Error ? error.cause.message : error.message;
}
