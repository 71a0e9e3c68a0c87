import type { UnitCounts, UnitKey } from '../queue/mod.ts';

/** What the rows of a listing stand for. */
export const LISTING_KEYS = ['Lane', 'Tenant', 'Domain'] as const;
export type ListingKey = (typeof LISTING_KEYS)[number];

/** Which queued mail a listing shows; a field that is absent matches all. */
export interface ListingFilter {
  readonly pool?: string;
  readonly site?: string;
  readonly tenant?: string;
  readonly domain?: string;
  readonly campaign?: string;
  readonly class?: string;
}

/** A row: queued mail that agrees in what the listing is by. Times are wall times, milliseconds; 0 = none. */
export interface ListingRow {
  /** Pool and site for `Lane`, else `''`. */
  readonly pool: string;
  readonly site: string;
  /** For `Tenant`. */
  readonly tenant: string;
  /** For `Domain`. */
  readonly domain: string;
  /** Recipient groups that could go now, wait for a limit, wait for their time, are in a transaction. */
  readonly ready: number;
  readonly asleep: number;
  readonly waiting: number;
  readonly inFlight: number;
  readonly recipients: number;
  readonly oldestAcceptedAtMs: number;
  readonly nextDueAtMs: number;
  /** The last reply that deferred or refused mail of the row's lane; `''` = none since this process began. */
  readonly lastReply: string;
  /** 0 = there is none. */
  readonly lastReplyAtMs: number;
}

/** One unit of the queue with what its lane knows. */
export interface ListedUnit {
  readonly key: UnitKey;
  readonly site: string;
  readonly counts: UnitCounts;
  readonly lastReply: string;
  readonly lastReplyAtMs: number;
}

/**
 * Adds units up to rows, most recipient groups first.
 *
 * Example: `queueListing(units, 'Domain', { tenant: 'shop' })` → one row for each domain to which the tenant has mail.
 */
export function queueListing(
  units: Iterable<ListedUnit>,
  by: ListingKey,
  filter: ListingFilter = {},
): readonly ListingRow[] {
  const rows: ListingRow[] = [];
  for (const unit of units) if (matches(unit, filter)) rows.push(rowOf(unit, by));
  return mergeListings([rows]);
}

/** Listings of several pods, or of one, as one: rows of the same name are added up. Most recipient groups first. */
export function mergeListings(listings: readonly (readonly ListingRow[])[]): readonly ListingRow[] {
  const byName = new Map<string, ListingRow>();
  for (const row of listings.flat()) {
    const name = JSON.stringify([row.pool, row.site, row.tenant, row.domain]);
    const known = byName.get(name);
    byName.set(name, known === undefined ? row : sum(known, row));
  }
  return [...byName.values()].sort((a, b) => groupsIn(b) - groupsIn(a) || compareNames(a, b));
}

/** Recipient groups of a row, whatever they wait for. */
export function groupsIn(row: ListingRow): number {
  return row.ready + row.asleep + row.waiting + row.inFlight;
}

function matches({ key, site }: ListedUnit, filter: ListingFilter): boolean {
  return (
    agrees(filter.pool, key.pool) &&
    agrees(filter.site, site) &&
    agrees(filter.tenant, key.tenant) &&
    agrees(filter.domain, key.domain) &&
    agrees(filter.campaign, key.campaign) &&
    agrees(filter.class, key.class)
  );
}

function agrees(wanted: string | undefined, found: string): boolean {
  return wanted === undefined || wanted.toLowerCase() === found.toLowerCase();
}

function rowOf({ key, site, counts, lastReply, lastReplyAtMs }: ListedUnit, by: ListingKey): ListingRow {
  return {
    pool: by === 'Lane' ? key.pool : '',
    site: by === 'Lane' ? site : '',
    tenant: by === 'Tenant' ? key.tenant : '',
    domain: by === 'Domain' ? key.domain : '',
    ready: counts.ready,
    asleep: counts.asleep,
    waiting: counts.waiting,
    inFlight: counts.taken,
    recipients: counts.recipients,
    oldestAcceptedAtMs: counts.oldestAcceptedAtMs,
    nextDueAtMs: counts.nextDueAtMs,
    lastReply,
    lastReplyAtMs,
  };
}

function sum(a: ListingRow, b: ListingRow): ListingRow {
  const later = b.lastReplyAtMs > a.lastReplyAtMs ? b : a;
  return {
    ...a,
    ready: a.ready + b.ready,
    asleep: a.asleep + b.asleep,
    waiting: a.waiting + b.waiting,
    inFlight: a.inFlight + b.inFlight,
    recipients: a.recipients + b.recipients,
    oldestAcceptedAtMs: earlier(a.oldestAcceptedAtMs, b.oldestAcceptedAtMs),
    nextDueAtMs: earlier(a.nextDueAtMs, b.nextDueAtMs),
    lastReply: later.lastReply,
    lastReplyAtMs: later.lastReplyAtMs,
  };
}

/** The earlier of two times of which 0 is none. */
function earlier(a: number, b: number): number {
  if (a === 0 || b === 0) return Math.max(a, b);
  return Math.min(a, b);
}

function compareNames(a: ListingRow, b: ListingRow): number {
  const name = (row: ListingRow): string => `${row.pool} ${row.site} ${row.tenant} ${row.domain}`;
  return name(a) < name(b) ? -1 : 1;
}
