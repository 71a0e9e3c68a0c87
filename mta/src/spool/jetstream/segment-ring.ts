import type { PodFacts } from '@sluice/crds';
import type { Cluster, ClusterCounts, PodSessionView } from '../cluster.ts';
import type { Membership } from '../membership.ts';
import { surplusSegments, writingSegments } from '../segment/adoption-choice.ts';
import { AdoptionPlan } from '../segment/adoption-plan.ts';
import { SuspectTurn } from '../segment/suspect-turn.ts';
import type { PartEnd, SpoolListener } from '../spool-listener.ts';
import type { SpoolContext } from './jetstream-spool.ts';
import { hasEnded, type LifeSign } from './life-sign.ts';
import { OwnedSegment, type SegmentLife, type SegmentListener } from './owned-segment.ts';
import { PodSession } from './pod-session.ts';
import type { SessionValue } from './session-bucket.ts';

/** How often it is looked whether others have too few segments. */
const BALANCE_EVERY_MS = 1_000;
/** Segments that are given up at a time so that others get their share: as many as one pod adopts at a time. */
const RELEASES_AT_A_TIME = 8;
/** How often the kernel is asked whether processes of the same name have ended. */
const ASK_WHO_ENDED_EVERY_MS = 1_000;
/** A pod that joins is waited for so long until it owns something; then it starts and refuses mail until then. */
const FIRST_SEGMENT_PATIENCE_MS = 45_000;
const CHECK_MS = 20;

export interface RingOptions {
  readonly replicas: number;
  /** Segments that new mail goes to at a time, at most. */
  readonly openSegments: number;
  /** No other process has this store: whoever its journals name is dead. For tests. */
  readonly assumeAlone: boolean;
  readonly facts: PodFacts;
  readonly life: LifeSign;
}

/** The segments of the ring that this process has, for as long as its sessions last: adopts, gives up, loses them. */
export class SegmentRing implements Cluster {
  readonly #context: SpoolContext;
  readonly #options: RingOptions;
  readonly #segments = new Map<number, OwnedSegment>();
  /** Ended, with mail on its way to them. */
  readonly #settling = new Set<OwnedSegment>();
  readonly #values = new Map<string, SessionValue>();
  readonly #changeListeners = new Set<() => void>();
  /** Segments that this process lost to another one; kept only for processes that take it that they are alone. */
  readonly #lost = new Set<number>();
  #facts: PodFacts;
  #report: Uint8Array | undefined;
  #listener: SpoolListener | undefined;
  #session: PodSession;
  #plan: AdoptionPlan;
  #life: SegmentLife;
  #writing: readonly OwnedSegment[] = [];
  #writingStale = false;
  #next = 0;
  #balanceAtMs = 0;
  #askAtMs = 0;
  #adoptSoon: NodeJS.Immediate | undefined;
  #releasing = false;
  #isConnected = true;
  #closed = false;
  #adoptions = 0;
  /** Own sessions that owned something and were lost: nothing of them is open any more. */
  readonly #formerSessions = new Set<string>();
  #sessionLosses = 0;
  #held = 0;

  constructor(context: SpoolContext, options: RingOptions) {
    this.#context = context;
    this.#options = options;
    this.#facts = options.facts;
    this.#session = this.#newSession();
    this.#plan = this.#newPlan();
    this.#life = this.#newLife();
  }

  get session(): string {
    return this.#session.id;
  }

  get isLive(): boolean {
    return !this.#closed && this.#session.standing === 'valid';
  }

  get counts(): ClusterCounts {
    let owned = 0;
    let live = 0;
    for (const { owner } of this.#segments.values()) {
      if (owner.isOwned) owned++;
      if (owner.takesMail && this.#isConnected) live++;
    }
    return {
      owned,
      live,
      adoptions: this.#adoptions,
      sessionLosses: this.#sessionLosses,
      held: this.#held,
    };
  }

  membership(): Membership {
    return {
      session: this.session,
      segments: this.counts.owned,
      renewalAgeMs: Math.round(this.#session.renewalAgeMs),
      living: this.living().map(({ session }) => session),
    };
  }

  living(): readonly PodSessionView[] {
    const own: PodSessionView = { session: this.session, segments: this.#claims(), ...this.#facts };
    const others = this.#session.watch.living().flatMap((session) => this.#values.get(session) ?? []);
    return [own, ...others];
  }

  onChange(listener: () => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  tell(facts: Partial<PodFacts>): void {
    this.#facts = { ...this.#facts, ...facts };
    this.#session.saySoon();
  }

  report(bytes: Uint8Array): void {
    this.#report = bytes;
    this.#session.report(bytes);
  }

  /** Begins to adopt; resolves when what is to be had now is there. */
  async follow(listener: SpoolListener): Promise<void> {
    this.#listener = listener;
    this.#session.tick();
    const untilMs = performance.now() + FIRST_SEGMENT_PATIENCE_MS;
    while (!this.#closed && !this.#isSettled() && performance.now() < untilMs)
      await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
  }

  get(segment: number): OwnedSegment | undefined {
    return this.#segments.get(segment);
  }

  all(): IterableIterator<OwnedSegment> {
    return this.#segments.values();
  }

  /** The segment that the next new message goes to; `undefined` = none takes mail. */
  nextWriting(): OwnedSegment | undefined {
    if (this.#releasing || this.#session.standing !== 'valid') return undefined;
    if (this.#writingStale || this.#writing.some(({ takesMail }) => !takesMail)) this.#chooseWriting();
    return this.#writing[this.#next++ % this.#writing.length];
  }

  /** What starts now is seen by others as started by a living process; resolves with whether that is so when it is in doubt. */
  mayStart(): boolean | Promise<boolean> {
    const { standing } = this.#session;
    if (standing === 'valid') return true;
    if (standing === 'paused') return this.#whenClear(this.#session);
    this.#checkSession();
    return false;
  }

  /** Gives up every segment; resolves when that is durable, or the session is over. */
  async release(): Promise<void> {
    this.#releasing = true;
    this.#facts = { ...this.#facts, state: 'draining' };
    const segments = [...this.#segments.values()];
    for (const segment of segments) segment.handle({ kind: 'release' });
    this.#gone(new Set(this.#segments.keys()), 'released');
    this.#session.saySoon();
    const given = ({ owner }: OwnedSegment): boolean => owner.phase === 'released' || owner.phase === 'idle';
    while (!this.#closed && !segments.every(given))
      await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
    this.#session.saySoon();
  }

  /** Everything that was open has been told to whoever has the segments now. */
  get isSettled(): boolean {
    return [...this.#segments.values()].every(({ owner, appendsIdle }) => owner.isSettled && appendsIdle);
  }

  /** The connection broke. */
  interrupted(): void {
    this.#isConnected = false;
    this.#session.interrupted();
  }

  reconnected(): void {
    this.#isConnected = true;
    for (const segment of [...this.#segments.values()]) segment.handle({ kind: 'reconnected' });
    this.#session.interrupted();
    this.#session.tick();
  }

  tick(): void {
    if (this.#checkSession() === 'over' || !this.#isConnected) return;
    this.#session.tick();
    if (performance.now() >= this.#askAtMs) this.#askWhoEnded(this.#values.values());
    this.#adopt();
    if (performance.now() >= this.#balanceAtMs) this.#balance();
    for (const segment of [...this.#segments.values()]) {
      segment.tick(Date.now());
      const { owner } = segment;
      if (owner.phase === 'released' && owner.isSettled && segment.appendsIdle && !this.#releasing)
        this.#forget(segment);
    }
  }

  /** The last word of the session: what it had is anybody's. Resolves when it is said. */
  async end(): Promise<void> {
    this.#stop();
    await this.#session.end();
  }

  close(): void {
    this.#stop();
    this.#session.close();
  }

  #stop(): void {
    this.#closed = true;
    if (this.#adoptSoon !== undefined) clearImmediate(this.#adoptSoon);
    for (const segment of this.#segments.values()) segment.end();
    this.#segments.clear();
  }

  #newSession(): PodSession {
    const { client, manager, publisher, layout } = this.#context;
    const session: PodSession = new PodSession({
      client,
      manager,
      publisher,
      layout,
      replicas: this.#options.replicas,
      facts: () => this.#facts,
      life: this.#options.life,
      claims: () => this.#claims(),
      onValue: (value) => {
        if (this.#session === session) this.#heard(value);
      },
      onEcho: (dead) => {
        if (this.#session === session) this.#died(dead);
      },
    });
    return session;
  }

  #newPlan(): AdoptionPlan {
    return new AdoptionPlan(this.#session.id, this.#context.layout.ringSegments);
  }

  #newLife(): SegmentLife {
    const { id, watch } = this.#session;
    const isDead = (session: string): boolean => {
      if (session === id) return false;
      watch.expect(session, performance.now());
      return watch.isDead(session);
    };
    return {
      session: id,
      isDead: this.#options.assumeAlone ? () => true : isDead,
      suspectTurn: new SuspectTurn(),
    };
  }

  /** Other sessions that take segments: one that drains lives for as long as its transactions do, and has no share. */
  #takers(): readonly string[] {
    return this.#session.watch.living().filter((session) => this.#values.get(session)?.state !== 'draining');
  }

  #claims(): readonly number[] {
    const claims: number[] = [];
    for (const { segment, owner } of this.#segments.values())
      if (owner.phase !== 'released') claims.push(segment);
    return claims;
  }

  #heard(value: SessionValue): void {
    const { session } = value;
    if (this.#options.assumeAlone) this.#session.watch.ended(session, performance.now());
    if (this.#session.watch.isDead(session)) {
      this.#values.delete(session);
      this.#plan.gone(session);
    } else {
      if (!this.#values.has(session)) this.#askWhoEnded([value]);
      this.#values.set(session, value);
      this.#plan.claim(session, value.segments);
    }
    this.#adoptNext();
    this.#changed();
  }

  /**
   * Processes of the same name on the same kernel, as the one before this in its pod, or another worker: the kernel says when they have ended, so
   * nobody has to wait until they have been silent for long.
   */
  #askWhoEnded(values: Iterable<SessionValue>): void {
    this.#askAtMs = performance.now() + ASK_WHO_ENDED_EVERY_MS;
    const own = this.#session;
    for (const { session, host, life } of values) {
      if (host !== this.#facts.host || own.watch.isDead(session)) continue;
      void hasEnded(this.#options.life, life).then((ended) => {
        if (!ended || this.#closed || this.#session !== own || own.watch.isDead(session)) return;
        own.watch.ended(session, performance.now());
        this.#died([session]);
      });
    }
  }

  #died(dead: readonly string[]): void {
    for (const session of dead) {
      this.#context.onNotice('another process is dead: its mail is taken over', { session });
      this.#values.delete(session);
      this.#plan.gone(session);
    }
    this.#adoptNext();
    if (dead.length > 0) this.#changed();
  }

  #changed(): void {
    this.#writingStale = true;
    for (const listener of this.#changeListeners) listener();
  }

  /** Several things that happened at once ask for it once. */
  #adoptNext(): void {
    this.#adoptSoon ??= setImmediate(() => {
      this.#adoptSoon = undefined;
      this.#adopt();
    });
  }

  #adopt(): void {
    if (this.#closed || this.#releasing || this.#listener === undefined) return;
    if (!this.#session.isKnown || this.#session.standing !== 'valid') return;
    const due = this.#plan.due(
      new Set(this.#segments.keys()),
      this.#adopting,
      this.#takers(),
      performance.now(),
    );
    for (const number of due) {
      if (this.#lost.has(number) || this.#isSettling(number)) continue;
      const segment = new OwnedSegment(this.#context, number, this.#life, this.#segmentListener);
      this.#segments.set(number, segment);
      segment.handle({ kind: 'adopt' });
    }
    if (due.length > 0) this.#session.saySoon();
  }

  get #adopting(): number {
    let adopting = 0;
    for (const { owner } of this.#segments.values())
      if (owner.phase === 'reading' || owner.phase === 'fencing' || owner.phase === 'replaying') adopting++;
    return adopting;
  }

  readonly #segmentListener: SegmentListener = {
    onMail: (message) => this.#listener?.onMail(message),
    onHeld: (message) => {
      this.#held += message.live.size;
      this.#listener?.onHeld(message);
    },
    onDeclined: (segment, session) => {
      this.#session.watch.expect(session, performance.now());
      this.#plan.declined(segment.segment, performance.now());
      this.#forget(segment);
      this.#adoptNext();
    },
    onDropped: (segment, reason) => {
      const { segment: number } = segment;
      this.#context.onNotice('a segment is not ours any more', { segment: number, reason });
      this.#forget(segment);
      if (this.#options.assumeAlone && /another pod/.test(reason)) this.#lost.add(number);
      this.#gone(new Set([number]), 'lost');
      this.#adoptNext();
    },
    onUnreadable: (segment, error) => {
      this.#context.onNotice(error.message, { segment: segment.segment });
      this.#plan.declined(segment.segment, performance.now());
      this.#forget(segment);
      this.#gone(new Set([segment.segment]), 'lost');
    },
    onClaimsChanged: ({ owner }) => {
      if (owner.phase === 'live') this.#adoptions++;
      this.#session.saySoon();
      this.#changed();
      this.#adoptNext();
    },
  };

  #end(segment: OwnedSegment): void {
    segment.end();
    if (!segment.appendsIdle) this.#settling.add(segment);
  }

  /** Mail is on its way that this process took when the segment was its own: adopted now, it would be queued twice. */
  #isSettling(number: number): boolean {
    for (const segment of this.#settling) {
      if (segment.appendsIdle) this.#settling.delete(segment);
      else if (segment.segment === number) return true;
    }
    return false;
  }

  #forget(segment: OwnedSegment): void {
    this.#end(segment);
    if (this.#segments.get(segment.segment) !== segment) return;
    this.#segments.delete(segment.segment);
    this.#changed();
    this.#session.saySoon();
  }

  #gone(parts: ReadonlySet<number>, how: PartEnd): void {
    if (parts.size > 0) this.#listener?.onGone(parts, how);
  }

  /** Others get their share: those segments go first that have least mail. */
  #balance(): void {
    const nowMs = performance.now();
    this.#balanceAtMs = nowMs + BALANCE_EVERY_MS;
    if (this.#releasing || !this.#session.isKnown || this.#session.watch.isSuspecting(nowMs)) return;
    // What was given up and what nobody has yet will change the shares.
    if (this.#adopting > 0) return;
    const owned = [...this.#segments.values()]
      .filter(({ owner }) => owner.takesMail)
      .map((each) => ({
        segment: each.segment,
        messages: each.messages,
        writing: this.#writing.includes(each) || !each.appendsIdle,
      }));
    const living = 1 + this.#takers().length;
    const surplus = surplusSegments(owned, living, RELEASES_AT_A_TIME, this.#context.layout.ringSegments);
    for (const number of surplus) this.#segments.get(number)?.handle({ kind: 'release' });
    this.#gone(new Set(surplus), 'released');
  }

  /** Those that take mail already go on; others fill up, each in a stream of its own while there are any. */
  #chooseWriting(): void {
    this.#writingStale = false;
    const { layout } = this.#context;
    const living = 1 + this.#takers().length;
    const wanted = Math.min(this.#options.openSegments, writingSegments(living, layout.ringSegments));
    const writing = this.#writing.filter(({ takesMail }) => takesMail).slice(0, wanted);
    const streams = new Set(writing.map(({ segment }) => layout.streamOf(segment, 'spool')));
    const candidates = [...this.#segments.values()].filter(
      (each) => each.takesMail && !writing.includes(each),
    );
    for (const isOther of [true, false]) {
      for (const each of candidates) {
        if (writing.length >= wanted) break;
        const stream = layout.streamOf(each.segment, 'spool');
        if (writing.includes(each) || (isOther && streams.has(stream))) continue;
        streams.add(stream);
        writing.push(each);
      }
    }
    this.#writing = writing;
  }

  /** The others may have seen this session dead: everything is given up at once, and the process goes on with a new one. */
  #checkSession(): 'valid' | 'paused' | 'over' {
    const { standing } = this.#session;
    if (standing !== 'over' || this.#closed) return standing;
    const before = this.#session;
    this.#sessionLosses++;
    this.#context.onNotice('the session of this process is over: it gives up its mail and begins anew', {
      session: before.id,
    });
    const parts = new Set(this.#segments.keys());
    for (const segment of this.#segments.values()) this.#end(segment);
    this.#segments.clear();
    this.#gone(parts, 'lost');
    // Nothing of it is open any more: others need not wait until they see it dead.
    void before.end();
    this.#values.clear();
    this.#session = this.#newSession();
    if (this.#report !== undefined) this.#session.report(this.#report);
    this.#plan = this.#newPlan();
    this.#life = this.#newLife();
    // In a long outage one session follows another, and what was owned before it is the first one's.
    if (parts.size > 0) this.#formerSessions.add(before.id);
    for (const former of this.#formerSessions) this.#session.watch.ended(former, performance.now());
    this.#changed();
    return standing;
  }

  async #whenClear(session: PodSession): Promise<boolean> {
    while (session.standing === 'paused' && !this.#closed)
      await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
    return !this.#closed && session.standing === 'valid';
  }

  /** What could be adopted at the start is. */
  #isSettled(): boolean {
    if (!this.#session.isKnown || this.#adopting > 0) return false;
    const { live } = this.counts;
    if (live === 0) return false;
    const others = new Set(
      this.#session.watch.living().flatMap((session) => this.#values.get(session)?.segments ?? []),
    );
    for (let segment = 0; segment < this.#context.layout.ringSegments; segment++)
      if (!this.#segments.has(segment) && !others.has(segment) && !this.#lost.has(segment))
        return others.size > 0;
    return true;
  }
}
