import type { Envelope } from './envelope.ts';
import type { Reply } from './reply.ts';

/**
 * The recipients of one message that share a domain. It is the unit of queueing, of a transaction and of an
 * outcome: domains are never mixed in one transaction, even when one MX serves both.
 */
export interface RecipientGroup {
  /** Position among the message's groups, in order of first appearance: the `group` of every {@link Outcome}. */
  readonly group: number;
  /** Lower-case domain (A-label form) of all its recipients. */
  readonly domain: string;
  /** Indexes into {@link Envelope.recipients}, ascending. */
  readonly recipients: readonly number[];
}

/** What has happened to a recipient group so far; durable after every attempt. */
export interface GroupState {
  /**
   * Recipients that still wait for a final outcome: indexes into {@link Envelope.recipients}, ascending. Empty only while reports are owed:
   * then nothing of the group is sent any more.
   */
  readonly pending: readonly number[];
  /** Attempts made (an attempt = a connection was tried or a transaction begun; waiting for a limit is none). */
  readonly attempts: number;
  /** Wall time of the next attempt, milliseconds. */
  readonly nextAttemptAtMs: number;
  readonly lastReply?: Reply;
  /** Name of the egress source of the last attempt, `''` when none was chosen yet. */
  readonly lastSource: string;
  /** Facts that the sender is to be told and has not been told yet; they outlive the process, so that no report is lost. */
  readonly owed?: readonly OwedReport[];
  /** The sender was told that the group is late; he is told once. */
  readonly toldOfDelay?: true;
}

/** What became of some recipients of a group, with all that a report to the sender says of it (RFC 3464). */
export interface OwedReport {
  readonly action: 'failed' | 'delayed' | 'relayed';
  /** Indexes into {@link Envelope.recipients}, ascending. */
  readonly recipients: readonly number[];
  readonly reply: Reply;
  /** Wall time of the attempt, milliseconds. */
  readonly atMs: number;
  /** `delayed`: wall time at which Sluice gives up, milliseconds. */
  readonly untilMs?: number;
}

/** The lower-case domain of a forward-path: `user@Example.COM` → `example.com`. An address literal keeps its brackets. */
export function domainOf(path: string): string {
  return path.slice(path.lastIndexOf('@') + 1).toLowerCase();
}

/**
 * Groups of a message, derived from its recipients: the same envelope always gives the same groups.
 *
 * Example: `['a@x.example', 'b@y.example', 'c@X.example']` → `[{0, x.example, [0, 2]}, {1, y.example, [1]}]`.
 */
export function recipientGroups(envelope: Pick<Envelope, 'recipients'>): readonly RecipientGroup[] {
  if (envelope.recipients.length === 1) {
    return [{ group: 0, domain: domainOf(envelope.recipients[0] ?? ''), recipients: [0] }];
  }
  const byDomain = new Map<string, number[]>();
  for (const [index, recipient] of envelope.recipients.entries()) {
    const domain = domainOf(recipient);
    const members = byDomain.get(domain);
    if (members === undefined) byDomain.set(domain, [index]);
    else members.push(index);
  }
  return [...byDomain].map(([domain, recipients], group) => ({ group, domain, recipients }));
}
