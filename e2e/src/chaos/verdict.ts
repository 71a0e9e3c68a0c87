import { explainDuplicate } from './duplicate.ts';
import type { DroppedSegment, JournalBook } from './journal-book.ts';

/** A message that a client handed in. */
export interface OfferedMail {
  /** From the 250; `''` = the client never read one: it may be stored or not. */
  readonly id: string;
  readonly recipients: readonly string[];
}

/** A recipient got a message. */
export interface Delivery {
  readonly recipient: string;
  /** Address that it came from. */
  readonly source: string;
  readonly atMs: number;
}

/** All that is known when everything has come to rest. */
export interface Evidence {
  readonly offered: readonly OfferedMail[];
  readonly deliveries: readonly Delivery[];
  /** Recipients that were refused for good: `5xx`. */
  readonly refused: ReadonlySet<string>;
  /** Recipients that the pods say are queued, by domain. */
  readonly queued: ReadonlyMap<string, number>;
  /** Ids of messages that the pods say are held. */
  readonly held: ReadonlySet<string>;
  /** Ids of messages that were sent to a recipient, as events say: for those whose client read no 250. */
  readonly idsOf: ReadonlyMap<string, ReadonlySet<string>>;
  readonly journal: JournalBook;
  readonly dropped: readonly DroppedSegment[];
  readonly podOfSource: ReadonlyMap<string, string>;
  readonly podOfSession: ReadonlyMap<string, string>;
  /** W. */
  readonly maxUnjournalled: number;
  /** Transactions that a pod can have open. */
  readonly maxInFlight: number;
}

/** What the run comes to. Counts are of recipients. */
export interface Verdict {
  readonly accepted: number;
  readonly delivered: number;
  readonly refused: number;
  /** In the queues, or held. */
  readonly queued: number;
  readonly held: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly unexplainedDuplicates: number;
  /** Delivered although no client read a 250. */
  readonly unconfirmed: number;
  /** Most duplicates of one loss of an owner. */
  readonly mostOfOneLoss: number;
  /** Why it is not what was promised; empty = it is. */
  readonly complaints: readonly string[];
}

/** Complaints of one kind that are printed. */
const SHOWN = 20;

/** Compares every 250 with what arrived and what is queued, and every duplicate with the journal. */
export function judge(evidence: Evidence): Verdict {
  const arrivals = new Map<string, Delivery[]>();
  for (const delivery of evidence.deliveries) {
    const known = arrivals.get(delivery.recipient);
    if (known === undefined) arrivals.set(delivery.recipient, [delivery]);
    else known.push(delivery);
  }
  const complaints: string[] = [];
  const count = { accepted: 0, delivered: 0, refused: 0, held: 0, unconfirmed: 0 };
  const openByDomain = new Map<string, string[]>();
  for (const { id, recipients } of evidence.offered) {
    for (const recipient of recipients) {
      const arrived = arrivals.has(recipient);
      if (id === '') {
        if (arrived) count.unconfirmed++;
        continue;
      }
      count.accepted++;
      if (arrived) count.delivered++;
      else if (evidence.refused.has(recipient)) count.refused++;
      else if (evidence.held.has(id)) count.held++;
      else {
        const domain = recipient.slice(recipient.lastIndexOf('@') + 1);
        const open = openByDomain.get(domain) ?? [];
        openByDomain.set(domain, open);
        open.push(`${id} to ${recipient}`);
      }
    }
  }
  let lost = 0;
  for (const [domain, open] of openByDomain) {
    const missing = Math.max(0, open.length - (evidence.queued.get(domain) ?? 0));
    lost += missing;
    if (missing > 0)
      complaints.push(`LOST ${missing} of these to ${domain}: ${open.slice(0, SHOWN).join(', ')}`);
  }
  const inQueues = [...evidence.queued.values()].reduce((sum, each) => sum + each, 0);
  const duplicates = judgeDuplicates(evidence, arrivals, complaints);
  if (evidence.journal.missing > 0)
    complaints.push(
      `${evidence.journal.missing} batches of the journal were purged before they were read: nothing can be explained by them`,
    );
  return { ...count, queued: inQueues + count.held, lost, ...duplicates, complaints };
}

function judgeDuplicates(
  evidence: Evidence,
  arrivals: ReadonlyMap<string, readonly Delivery[]>,
  complaints: string[],
): Pick<Verdict, 'duplicates' | 'unexplainedDuplicates' | 'mostOfOneLoss'> {
  const mails = new Map<string, OfferedMail>();
  for (const mail of evidence.offered) for (const recipient of mail.recipients) mails.set(recipient, mail);
  const perLoss = new Map<string, number>();
  let duplicates = 0;
  let unexplained = 0;
  for (const [recipient, all] of arrivals) {
    if (all.length < 2) continue;
    duplicates += all.length - 1;
    const explained = explainDuplicate(evidence, recipient, mails.get(recipient), all);
    unexplained += explained.unexplained;
    if (explained.unexplained > 0) complaints.push(`UNEXPLAINED ${recipient}: ${explained.story}`);
    for (const loss of explained.losses) perLoss.set(loss, (perLoss.get(loss) ?? 0) + 1);
  }
  const bound = evidence.maxUnjournalled + evidence.maxInFlight;
  for (const [loss, count] of perLoss) {
    if (count <= bound) continue;
    unexplained += count - bound;
    complaints.push(`UNEXPLAINED ${count} duplicates of the loss of ${loss}, at most ${bound} are explained`);
  }
  return {
    duplicates,
    unexplainedDuplicates: unexplained,
    mostOfOneLoss: Math.max(0, ...perLoss.values()),
  };
}
