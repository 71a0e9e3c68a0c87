import type { AnsweredMail, PodState } from '../control/mod.ts';
import type { MailCounts, MailView, SourceView } from '../dispatch/mod.ts';
import type { Directive } from '../react/mod.ts';
import { type LiveBound, type LiveLimit, liveLimits, type NamedAnswer, namedAnswers } from './live-limit.ts';

/** Why the next message does not go at once. */
export const WAIT_REASONS = [
  'NoPool',
  'NoRoute',
  'Bounced',
  'Directive',
  'Rerouted',
  'LimitsHeld',
  'SitePaused',
  'Busy',
  'SourceState',
  'SourceSuspended',
  'SourceRests',
  'Limit',
] as const;

export interface Wait {
  readonly reason: (typeof WAIT_REASONS)[number];
  /** One sentence, without its end. */
  readonly what: string;
  /** Wall time of who asks, RFC 3339; absent = when something comes back, or somebody takes it back. */
  readonly until?: string;
  /** Where it is so; absent = at all that answered. */
  readonly pods?: readonly string[];
  /** With `Limit`: which. */
  readonly limit?: string;
  readonly bound?: string;
}

/** What mail through one source waits for; nothing = a message may go now. */
export interface LiveSource {
  readonly name: string;
  readonly address: string;
  readonly connections: number;
  readonly waits: readonly Wait[];
}

/** One pod and its part of the mail. */
export interface LivePod {
  readonly name: string;
  readonly session: string;
  readonly state: PodState['state'];
  readonly limits: NonNullable<PodState['limits']>['mode'] | 'Own';
  readonly configHash: string;
  readonly connections: number;
  readonly mail: MailCounts;
  readonly lastReply?: string;
}

/** What the cluster says of mail of one kind: the live part of `sluice explain --json`. */
export interface LiveMail {
  readonly at: string;
  readonly pods: readonly LivePod[];
  /** Who should have answered and did not. */
  readonly silent: readonly string[];
  readonly pool: string;
  readonly site: string;
  readonly group: string;
  /** What holds all of the mail; nothing = its sources decide. */
  readonly waits: readonly Wait[];
  readonly sources: readonly LiveSource[];
  /** Sources that were not looked at. */
  readonly moreSources: number;
  readonly limits: readonly LiveLimit[];
  readonly moreLimits: number;
  readonly directives: readonly Directive[];
}

/** Puts the answers of pods together and says what the next message waits for. Pure: the time is wall time. */
export function liveMail(
  answers: readonly AnsweredMail[],
  silent: readonly string[],
  nowMs: number,
): LiveMail {
  const named = namedAnswers(answers);
  const limits = liveLimits(named);
  const directives = [
    ...new Map(named.flatMap(({ mail }) => mail.directives.map((each) => [each.id, each]))).values(),
  ];
  const judge = new Judge(named, limits, directives, nowMs);
  const [first] = named;
  return {
    at: new Date(nowMs).toISOString(),
    pods: named.map(podOf),
    silent,
    pool: first?.mail.pool ?? '',
    site: first?.mail.site ?? '',
    group: first?.mail.group ?? '',
    waits: judge.ofAllMail(),
    sources: judge.sources(),
    moreSources: Math.max(0, ...named.map(({ mail }) => mail.moreSources)),
    limits,
    moreLimits: Math.max(0, ...named.map(({ mail }) => mail.moreLimits)),
    directives,
  };
}

function podOf({ name, pod, mail }: NamedAnswer): LivePod {
  const { lane } = mail;
  return {
    name,
    session: pod.session,
    state: pod.state,
    limits: pod.limits?.mode ?? 'Own',
    configHash: mail.configHash,
    connections: lane?.connections ?? 0,
    mail: mail.mail,
    ...(lane?.lastReply !== undefined && { lastReply: lane.lastReply }),
  };
}

/** There is mail that could go, and as many connections as its lane wants carry other messages. */
function isBusy({ mail, lane, demand }: MailView): boolean {
  if (lane === undefined || demand === undefined || mail.ready === 0 || lane.inFlight === 0) return false;
  return lane.connections >= demand.wanted;
}

function busyText({ lane, demand }: MailView): string {
  if (demand?.probing) return 'one connection finds out whether the site takes mail again';
  const count = lane?.connections ?? 0;
  const open = count === 1 ? 'the connection is' : `its ${count} connections are`;
  return `${open} in a transaction, and for so little mail no more are opened`;
}

class Judge {
  readonly #answers: readonly NamedAnswer[];
  readonly #limits: readonly LiveLimit[];
  readonly #directives: readonly Directive[];
  readonly #nowMs: number;

  constructor(
    answers: readonly NamedAnswer[],
    limits: readonly LiveLimit[],
    directives: readonly Directive[],
    nowMs: number,
  ) {
    this.#answers = answers;
    this.#limits = limits;
    this.#directives = directives;
    this.#nowMs = nowMs;
  }

  ofAllMail(): readonly Wait[] {
    return this.#gathered(({ pod, mail }) => {
      const waits: Wait[] = [];
      const { pool, noRoute, order, lane } = mail;
      if (pool === '') waits.push({ reason: 'NoPool', what: 'no egress pool matches: it is refused' });
      if (noRoute !== undefined) waits.push({ reason: 'NoRoute', what: `there is no route: ${noRoute}` });
      if (order.kind === 'bounce') waits.push(this.#byDirective('Bounced', 'it is bounced', order.directive));
      if (order.kind === 'wait') waits.push(this.#byDirective('Directive', undefined, order.directive));
      if (order.kind === 'reroute')
        waits.push({
          reason: 'Rerouted',
          what: `it is sent from the pool ${order.pool ?? ''} instead: ask for mail of that pool`,
        });
      if (pod.limits?.mode === 'Held')
        waits.push({
          reason: 'LimitsHeld',
          what: 'NATS does not acknowledge: nothing is sent until it does',
        });
      if (lane?.pausedUntil !== undefined) {
        const reply = lane.lastReply === undefined ? '' : `, the last reply was ${lane.lastReply}`;
        const what = `every host of the site failed${reply}; one message will probe it`;
        waits.push({ reason: 'SitePaused', what, until: lane.pausedUntil });
      } else if (isBusy(mail)) waits.push({ reason: 'Busy', what: busyText(mail) });
      return waits;
    });
  }

  sources(): readonly LiveSource[] {
    const byName = new Map<string, SourceView>();
    for (const { mail } of this.#answers)
      for (const source of mail.sources) if (!byName.has(source.name)) byName.set(source.name, source);
    return Array.from(byName.values(), ({ name, address }) => ({
      name,
      address,
      connections: this.#of(name).reduce((sum, { connections }) => sum + connections, 0),
      waits: [...this.#ofSource(name), ...this.#ofLimits(name)],
    }));
  }

  #of(name: string): readonly SourceView[] {
    return this.#answers.flatMap(({ mail }) => mail.sources.find((source) => source.name === name) ?? []);
  }

  #ofSource(name: string): readonly Wait[] {
    return this.#gathered(({ mail }) => {
      const source = mail.sources.find((each) => each.name === name);
      if (source === undefined) return [];
      const { state, suspendedBy, restsMs } = source;
      const waits: Wait[] = [];
      if (state !== 'Active') waits.push({ reason: 'SourceState', what: `it is ${state}` });
      if (suspendedBy !== undefined) waits.push(this.#byDirective('SourceSuspended', undefined, suspendedBy));
      if (restsMs !== undefined) {
        const reply = mail.lane?.lastReply === undefined ? '' : `: ${mail.lane.lastReply}`;
        const what = `the site does not take it now, or it cannot connect${reply}`;
        waits.push({ reason: 'SourceRests', what, until: this.#after(restsMs) });
      }
      return waits;
    });
  }

  #ofLimits(source: string): readonly Wait[] {
    return this.#limits
      .filter(({ sources }) => sources.includes(source))
      .flatMap((limit) => limit.bounds.flatMap((bound) => this.#ofBound(limit, bound) ?? []));
  }

  #ofBound(limit: LiveLimit, { bound, value, held, waiting, nextInMs }: LiveBound): Wait | undefined {
    if (nextInMs === 0 && !limit.starting) return undefined;
    const of = `${bound} of ${[limit.limitName, limit.values].filter(Boolean).join(' ')}`;
    const head = {
      reason: 'Limit' as const,
      limit: limit.id,
      bound,
      ...(limit.pod !== undefined && { pods: [limit.pod] }),
    };
    if (limit.starting)
      return { ...head, what: `${of}: its leader has just begun, and waits for what all pods hold` };
    if (bound === 'connections') {
      const line = waiting === 0 ? '' : `, ${waiting} ${waiting === 1 ? 'waits' : 'wait'}`;
      return { ...head, what: `${of}: ${held} of ${String(value)} are held${line}` };
    }
    if (nextInMs === undefined)
      return limit.leader === '' && waiting > 0
        ? { ...head, what: `${of}: its leader did not answer` }
        : undefined;
    return { ...head, what: `${of}: no token is left`, until: this.#after(nextInMs) };
  }

  #byDirective(reason: Wait['reason'], what: string | undefined, id: string | undefined): Wait {
    const directive = this.#directives.find((each) => each.id === id);
    if (directive === undefined) return { reason, what: what ?? 'a directive holds it' };
    const { effect, origin, reason: why, expiresAtMs } = directive;
    const verb = what ?? (effect.type === 'Hold' ? 'it is held' : 'it is suspended');
    // What a reaction says of itself begins with its name.
    const by = origin === 'Operator' ? ' by hand' : why === '' ? ' by a reaction' : '';
    return {
      reason,
      what: `${verb}${by}${why === '' ? '' : `: ${why}`}`,
      ...(expiresAtMs > 0 && { until: new Date(expiresAtMs).toISOString() }),
    };
  }

  #after(ms: number): string {
    return new Date(this.#nowMs + ms).toISOString();
  }

  /** What pods say, each thing once, with who says it unless all do. The earliest time of several. */
  #gathered(of: (answer: NamedAnswer) => readonly Wait[]): readonly Wait[] {
    const byText = new Map<string, { wait: Wait; readonly pods: string[] }>();
    for (const answer of this.#answers) {
      for (const wait of of(answer)) {
        const name = `${wait.reason} ${wait.what}`;
        const known = byText.get(name) ?? { wait, pods: [] };
        known.pods.push(answer.name);
        if (wait.until !== undefined && wait.until < (known.wait.until ?? '~')) known.wait = wait;
        byText.set(name, known);
      }
    }
    return Array.from(byText.values(), ({ wait, pods }) =>
      pods.length === this.#answers.length ? wait : { ...wait, pods },
    );
  }
}
