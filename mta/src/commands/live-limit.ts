import type { Rate } from '@sluice/crds';
import type { AnsweredMail } from '../control/mod.ts';
import type { LimitView } from '../dispatch/mod.ts';
import type { BoundName, RateName, RateView } from '../shape/mod.ts';

/** The rates of a limit, in the order in which they are shown. */
const RATES = ['connectionRate', 'recipientRate', 'messageRate', 'byteRate'] as const;

/** A pod and what it holds of a bound: connections, or units per second. */
export interface Holder {
  /** Name of the pod; of one that did not answer, what the leader calls it. */
  readonly pod: string;
  readonly amount: number;
}

/** One bound of one limit, over all pods. */
export interface LiveBound {
  readonly bound: BoundName;
  readonly value: number | Rate;
  /** Connections that are held, or units per second that pods may spend by themselves. */
  readonly held: number;
  readonly holders: readonly Holder[];
  /** Connections, or units, that are waited for. */
  readonly waiting: number;
  /** Rates: tokens that are left, at pods and in the pool; absent = not known. */
  readonly tokens?: number;
  /** When the next one can be had, counted from now: 0 = now. Absent = when one comes back, or not known. */
  readonly nextInMs?: number;
}

/** One limit with what is held of it. */
export interface LiveLimit {
  readonly id: string;
  readonly limitName: string;
  /** `Source=192.0.2.10 Group=google` */
  readonly values: string;
  /** A limit with `scope: Pod` stands once for each pod that uses it. */
  readonly scope: 'Cluster' | 'Pod';
  readonly pod?: string;
  readonly sources: readonly string[];
  /** Who decides about it; `''` = nobody, or who did not answer: then the rest is what the pods say by themselves. */
  readonly leader: string;
  /** The leader waits until all pods have told what they hold, and gives out nothing meanwhile. */
  readonly starting: boolean;
  readonly bounds: readonly LiveBound[];
}

/** An answer under the name of its pod. */
export interface NamedAnswer extends AnsweredMail {
  readonly name: string;
}

/** Names for pods: their host, and a part of the session where several have the same. */
export function namedAnswers(answers: readonly AnsweredMail[]): readonly NamedAnswer[] {
  const hosts = Map.groupBy(answers, ({ pod }) => pod.host);
  return answers.map((answer) => {
    const { host, session } = answer.pod;
    const alone = (hosts.get(host)?.length ?? 0) <= 1;
    return { ...answer, name: alone ? host : `${host}/${session.slice(-TAIL)}` };
  });
}

/** Characters of a session that tell pods of one host apart; the first ones are a time. */
const TAIL = 6;

/**
 * What pods say of each limit, put together: what its leader says where that answered, else the sum of what each pod says of itself. Pure.
 *
 * Example: three pods of which two hold 3 and 2 of 5 connections → `{ bound: 'connections', held: 5, holders: [{ pod: 'mta-0', amount: 3 }, …] }`
 */
export function liveLimits(answers: readonly NamedAnswer[]): readonly LiveLimit[] {
  const names = new Map<string, string>();
  for (const { name, mail } of answers) for (const { led } of mail.limits) names.set(led.self, name);
  const seen = answers.flatMap((answer) => answer.mail.limits.map((limit) => ({ answer, limit })));
  const byCounter = Map.groupBy(seen, ({ answer, limit }) =>
    limit.scope === 'Pod' ? `${answer.name}\n${limit.id}` : limit.id,
  );
  return [...byCounter.values()]
    .filter((views) => views[0]?.limit.scope === 'Cluster' || views.some(({ limit }) => isUsed(limit)))
    .flatMap((views) => {
      const [first] = views;
      return first === undefined ? [] : [merged(first, views, names)];
    });
}

interface Seen {
  readonly answer: NamedAnswer;
  readonly limit: LimitView;
}

function isUsed({ held, led }: LimitView): boolean {
  return held !== undefined || led.key !== undefined;
}

function merged(first: Seen, views: readonly Seen[], names: ReadonlyMap<string, string>): LiveLimit {
  const leading = views.find(({ limit }) => limit.led.here);
  const { id, limitName, scope, bounds } = (leading ?? first).limit;
  const context: Context = { views, led: leading?.limit, names };
  const stated: LiveBound[] = [];
  if (bounds.connections !== undefined) stated.push(connectionsOf(bounds.connections, context));
  for (const rate of RATES) {
    const value = bounds[rate];
    if (value !== undefined) stated.push(rateOf(rate, value, context));
  }
  return {
    id,
    limitName,
    values: id.split('|').slice(1).map(decodedValue).join(' '),
    scope,
    ...(scope === 'Pod' && { pod: first.answer.name }),
    sources: first.limit.sources,
    leader: leading?.answer.name ?? '',
    starting: leading !== undefined && !leading.limit.led.granting,
    bounds: stated,
  };
}

interface Context {
  readonly views: readonly Seen[];
  /** What the leader says; `undefined` = it did not answer. */
  readonly led: LimitView | undefined;
  readonly names: ReadonlyMap<string, string>;
}

function connectionsOf(value: number, { views, led, names }: Context): LiveBound {
  const known = led?.led.key?.connections;
  const holders =
    known === undefined
      ? views.map(({ answer, limit }) => ({ pod: answer.name, amount: limit.held?.connections ?? 0 }))
      : known.holders.map(({ client, count }) => ({ pod: names.get(client) ?? client, amount: count }));
  const held = known?.inUse ?? holders.reduce((sum, { amount }) => sum + amount, 0);
  const waiting = known?.waiting ?? views.reduce((sum, { limit }) => sum + (limit.held?.waiting ?? 0), 0);
  return {
    bound: 'connections',
    value,
    held,
    holders: holdersInOrder(holders),
    waiting,
    ...(held < value && { nextInMs: 0 }),
  };
}

function rateOf(bound: RateName, value: Rate, { views, led, names }: Context): LiveBound {
  const known = led?.led.key?.rates.find(({ rate }) => rate === bound);
  const perPod = views.flatMap(({ answer, limit }) => {
    const own = limit.held?.rates.find(({ rate }) => rate === bound);
    return own === undefined ? [] : [{ ...own, pod: answer.name }];
  });
  const holders =
    known === undefined
      ? perPod.map(({ pod, ratePerMs }) => ({ pod, amount: ratePerMs * 1000 }))
      : known.holders.map(({ client, ratePerMs }) => ({
          pod: names.get(client) ?? client,
          amount: ratePerMs * 1000,
        }));
  const spendable = perPod.filter(({ capacity }) => capacity > 0).reduce((sum, { level }) => sum + level, 0);
  // At rest = the bucket is full. A leader that did not answer = only what pods have is known.
  const tokens = led === undefined || known === undefined ? undefined : known.poolLevel + spendable;
  const atRest = led?.led.granting === true && known === undefined;
  const nextInMs = atRest ? 0 : tokens === undefined ? undefined : untilToken(known, tokens);
  return {
    bound,
    value,
    held: holders.reduce((sum, { amount }) => sum + amount, 0),
    holders: holdersInOrder(holders),
    waiting: perPod.reduce((sum, each) => sum + each.waiting, 0),
    ...(tokens !== undefined && { tokens }),
    ...(nextInMs !== undefined && { nextInMs }),
  };
}

/** Less than this is missing = it is there: what travels is rounded. */
const ROUNDING = 1e-6;

function untilToken(known: RateView | undefined, tokens: number): number | undefined {
  if (known === undefined || known.ratePerMs <= 0) return undefined;
  const missing = Math.min(1, known.burst) - tokens;
  return missing <= ROUNDING ? 0 : Math.ceil(missing / known.ratePerMs);
}

function holdersInOrder(holders: readonly Holder[]): readonly Holder[] {
  return holders
    .filter(({ amount }) => amount > 0)
    .toSorted((a, b) => b.amount - a.amount || (a.pod < b.pod ? -1 : 1));
}

function decodedValue(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
