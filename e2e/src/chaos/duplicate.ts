import type { GroupEntry, Tenure } from './journal-book.ts';
import type { Delivery, Evidence, OfferedMail } from './verdict.ts';

/** What the journal says of a recipient that got a message more than once. */
export interface Explained {
  /** Deliveries too many that nothing explains. */
  readonly unexplained: number;
  /** All deliveries, in a sentence for people. */
  readonly story: string;
  /** For each one that is explained: the owner that was lost. */
  readonly losses: readonly string[];
}

/** What is looked at of {@link Evidence}. */
type Books = Pick<Evidence, 'idsOf' | 'podOfSource' | 'podOfSession' | 'journal' | 'dropped'>;

/**
 * All deliveries to a recipient but one must have been made by owners that were lost before the journal had their outcome. A delivery belongs to
 * the last tenure of a session of its pod that had begun by then: a pod that stood still may end a transaction after somebody else took over.
 */
export function explainDuplicate(
  books: Books,
  recipient: string,
  mail: OfferedMail | undefined,
  deliveries: readonly Delivery[],
): Explained {
  const ids = mail === undefined || mail.id === '' ? [...(books.idsOf.get(recipient) ?? [])] : [mail.id];
  const [id] = ids;
  if (mail === undefined || id === undefined || ids.length !== 1) {
    const what = ids.length === 0 ? 'a message that no event names' : `messages ${ids.join(', ')}`;
    return { unexplained: deliveries.length - 1, story: `${deliveries.length} times ${what}`, losses: [] };
  }
  const { group, index } = groupOf(mail, recipient);
  const entries = books.journal.group(id, group);
  const outcomes = entries.filter((entry) => settles(entry, index));
  const byTenure = new Map<Tenure | undefined, Delivery[]>();
  const tenures = tenuresOf(books, entries);
  for (const delivery of deliveries) {
    const tenure = tenureOf(books, tenures, delivery);
    byTenure.set(tenure, [...(byTenure.get(tenure) ?? []), delivery]);
  }
  // One delivery is what was promised; each further one needs a loss.
  let promised = 0;
  const losses: string[] = [];
  const told: string[] = [];
  for (const [tenure, made] of byTenure) {
    const fault = tenure === undefined ? 'nobody of that pod had it' : faultOf(tenure, outcomes);
    promised += fault === undefined ? made.length - 1 : made.length;
    if (fault === undefined && tenure !== undefined) losses.push(lossName(tenure, books));
    const times = made.map(({ atMs, source }) => `${time(atMs)} from ${source}`).join(' and ');
    const by = tenure === undefined ? '' : ` by ${lossName(tenure, books)}`;
    told.push(`${times}${by}: ${fault ?? 'lost before its outcome was journalled'}`);
  }
  const story = `${id} group ${group}, segment ${entries[0]?.segment ?? 'unknown'}: ${told.join('; ')}`;
  if (promised > 0) return { unexplained: promised - 1, story, losses };
  return { unexplained: 0, story, losses: losses.slice(1) };
}

/** Why a delivery of this owner may not be followed, or preceded, by another one; `undefined` = it was lost before its outcome was journalled. */
function faultOf(tenure: Tenure, outcomes: readonly GroupEntry[]): string | undefined {
  const [first] = outcomes;
  if (first !== undefined && first.sequence < tenure.from)
    return `the journal had the outcome at ${first.sequence} before this owner began at ${tenure.from}`;
  // What was open at a release is told later, on the hand-over subject.
  const own = outcomes.find(
    ({ session, sequence }) =>
      session === tenure.session && (tenure.ended !== 'lost' || sequence < tenure.to),
  );
  if (own !== undefined) return `its outcome is journalled at ${own.sequence}`;
  return tenure.ended === 'open' ? 'its owner is not lost' : undefined;
}

/** The entry ends the recipient's part in the group. */
function settles(entry: GroupEntry, index: number): boolean {
  return entry.kind === 'done' || (entry.kind === 'deferred' && !entry.pending.has(index));
}

function tenuresOf(
  { journal, dropped, podOfSession }: Books,
  entries: readonly GroupEntry[],
): readonly Tenure[] {
  const segment = entries[0]?.segment;
  return segment === undefined
    ? []
    : journal.tenures(segment, dropped, (session) => podOfSession.get(session));
}

function tenureOf(books: Books, tenures: readonly Tenure[], delivery: Delivery): Tenure | undefined {
  const pod = books.podOfSource.get(delivery.source);
  return tenures.findLast(({ session, fromMs }) => {
    const owner = books.podOfSession.get(session);
    return fromMs <= delivery.atMs && (owner === undefined || owner === pod);
  });
}

function lossName({ session }: Tenure, { podOfSession }: Books): string {
  return `${session} (${podOfSession.get(session) ?? 'a pod that was never asked'})`;
}

/** The recipient's group, and its place among all recipients: groups are numbered as their domains first appear. */
function groupOf(mail: OfferedMail, recipient: string): { readonly group: number; readonly index: number } {
  const domain = (path: string): string => path.slice(path.lastIndexOf('@') + 1).toLowerCase();
  const domains = [...new Set(mail.recipients.map(domain))];
  return { group: domains.indexOf(domain(recipient)), index: mail.recipients.indexOf(recipient) };
}

function time(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23);
}
