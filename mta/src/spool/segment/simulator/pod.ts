import { surplusSegments, writingSegments } from '../adoption-choice.ts';
import { AdoptionPlan } from '../adoption-plan.ts';
import { type Clocks, OwnSession } from '../own-session.ts';
import type { OwnerCommand, OwnerEvent, OwnerRules } from '../owner-command.ts';
import type { Place } from '../place.ts';
import { SegmentOwner } from '../segment-owner.ts';
import { SessionWatch } from '../session-watch.ts';
import { SuspectTurn } from '../suspect-turn.ts';
import { type Cluster, type NetworkClient, NO_ANSWER, type SessionValue } from './cluster.ts';
import { ModelQueue } from './model-queue.ts';
import { carryOut } from './segment-shell.ts';

/** Rules of a pod that tests switch off. */
export interface PodRules {
  /** A session that the others may have seen dead is over. */
  readonly endsOwnSession: boolean;
  /** Silence is proven by the own renewal that comes back, not by the clock. */
  readonly provesSilence: boolean;
}

export const ALL_POD_RULES: PodRules = { endsOwnSession: true, provesSilence: true };

export interface PodSettings {
  readonly podRules: PodRules;
  readonly segments: number;
  readonly rules: OwnerRules;
  readonly maxUnjournalled: number;
  readonly maxJournalBatches: number;
}

const TICK_MS = 100;
const RENEW_TIMEOUT_MS = 3_000;
const APPEND_TIMEOUT_MS = 5_000;
const BALANCE_EVERY_MS = 2_000;

/** A process of `sluice run`: the real pieces of a segment's life, a model of a dispatcher, and clocks that can go wrong. */
export class SimulatedPod implements NetworkClient {
  readonly name: string;
  readonly cluster: Cluster;
  readonly settings: PodSettings;
  session = '';
  owners = new Map<number, SegmentOwner>();
  queues = new Map<number, ModelQueue>();
  alive = false;
  draining = false;
  #own: OwnSession;
  readonly #leaving = new Set<string>();
  /** The session in which it was killed; `''` = it never was. */
  #ended = '';
  #watch = new SessionWatch();
  #turn = new SuspectTurn();
  #plan: AdoptionPlan;
  #renewals = 0;
  #renewAtMs = 0;
  #balanceAtMs = 0;
  /** Renewals that came back through the watch since the session began: before the first, nothing is known of the others. */
  #echoed = false;
  #paused = false;
  #waiting: { readonly work: () => void; readonly isTimer: boolean }[] = [];
  /** The clock on the wall runs ahead of the monotonic one by this. */
  wallOffsetMs = 0;
  /** The monotonic clock stood still for this long (the machine slept). */
  #sleptMs = 0;
  #incarnation = 0;
  #adoptions = 0;
  #batches = 0;

  constructor(name: string, cluster: Cluster, settings: PodSettings) {
    this.name = name;
    this.cluster = cluster;
    this.settings = settings;
    this.#own = new OwnSession(this.clocks());
    this.#plan = new AdoptionPlan('', settings.segments);
  }

  /** The pod's own clocks. */
  clocks(): Clocks {
    const monotonicMs = this.cluster.nowMs - this.#sleptMs;
    return { monotonicMs, wallMs: this.cluster.nowMs + this.wallOffsetMs };
  }

  get standing(): 'valid' | 'paused' | 'over' {
    if (!this.alive) return 'over';
    return this.settings.podRules.endsOwnSession ? this.#own.standing(this.clocks()) : 'valid';
  }

  start(): void {
    this.alive = true;
    this.draining = false;
    this.#paused = false;
    this.#waiting = [];
    this.#newSession();
    // Where it starts on the same machine the kernel says that the process of before has ended.
    if (this.#ended !== '' && this.cluster.random.chance(0.5))
      this.#watch.ended(this.#ended, this.cluster.nowMs);
    const incarnation = ++this.#incarnation;
    const tick = (): void => {
      if (!this.alive || this.#incarnation !== incarnation) return;
      this.run(() => {
        if (this.#incarnation === incarnation) this.#tick();
      }, true);
      this.cluster.agenda.after(TICK_MS, tick);
    };
    tick();
  }

  run(work: () => void, isTimer = false): void {
    if (!this.alive) return;
    if (this.#paused) this.#waiting.push({ work, isTimer });
    else work();
  }

  pause(): void {
    this.#paused = true;
  }

  /** `slept`: the whole machine slept, its monotonic clock with it. */
  resume(pausedMs: number, slept: boolean): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (slept) this.#sleptMs += pausedMs;
    // A process that was stopped while it waited for packets reads them before it looks at the time.
    const packetsFirst = this.cluster.random.chance(0.5);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { work, isTimer } of waiting) if (isTimer !== packetsFirst && this.alive) work();
    for (const { work, isTimer } of waiting) if (isTimer === packetsFirst && this.alive) work();
  }

  kill(): void {
    if (!this.alive) return;
    this.#loseAll();
    this.alive = false;
    this.#ended = this.session;
    this.cluster.unwatch(this.name);
    this.owners.clear();
    for (const queue of this.queues.values()) queue.stop();
    this.queues.clear();
  }

  /** SIGTERM. */
  drain(): void {
    if (!this.alive || this.draining) return;
    this.run(() => {
      this.draining = true;
      for (const segment of this.owners.keys()) this.event(segment, { kind: 'release' });
      this.#renewAtMs = 0;
    });
  }

  event(segment: number, event: OwnerEvent): void {
    const owner = this.owners.get(segment);
    if (owner === undefined) return;
    const { openTransactions, unjournalled } = owner;
    const name = this.ownerName(segment);
    for (const command of owner.handle(event, this.cluster.nowMs)) {
      if (command.kind === 'drop') this.cluster.judge.lost(name, openTransactions + unjournalled);
      this.perform(segment, command);
    }
  }

  perform(segment: number, command: OwnerCommand): void {
    carryOut(this, segment, command);
  }

  /** Names one adoption of a segment by this process. */
  ownerName(segment: number): string {
    return this.queues.get(segment)?.ownerName ?? '';
  }

  /** Another pod took a segment of this living process: by then its session must be over, whether it knows that yet or not. */
  wasReplaced(segment: number): void {
    const owner = this.owners.get(segment);
    if (owner === undefined) return;
    if (this.standing !== 'over')
      this.cluster.judge.violate(`segment ${segment} was taken from ${this.session}, which is not over`);
    this.cluster.judge.lost(this.ownerName(segment), owner.openTransactions + owner.unjournalled);
  }

  /** Nobody waits any more for what this process had in flight when it released the segment. */
  wasGivenUpOn(segment: number): void {
    const owner = this.owners.get(segment);
    if (owner?.phase !== 'released') return;
    // What it has in flight may be a message that a power loss took: then there is nothing to wait for.
    if (this.cluster.judge.lostPower)
      this.cluster.judge.lost(this.ownerName(segment), owner.openTransactions + owner.unjournalled);
    else if (this.standing === 'over' || owner.openTransactions > 0) this.wasReplaced(segment);
  }

  /** Given up, refused, or dropped: the process has nothing of the segment any more. */
  forgetSegment(segment: number): void {
    this.queues.get(segment)?.stop();
    this.queues.delete(segment);
    this.owners.delete(segment);
  }

  declined(segment: number, session: string): void {
    this.#watch.expect(session, this.cluster.nowMs);
    this.#plan.declined(segment, this.cluster.nowMs);
    this.forgetSegment(segment);
  }

  claimsChanged(): void {
    this.#renewAtMs = 0;
  }

  reconnected(): void {
    this.run(() => {
      this.cluster.reconnected(this);
      for (const segment of [...this.owners.keys()]) this.event(segment, { kind: 'reconnected' });
    });
  }

  /** A client hands in a message. */
  accept(id: string, groups: number, heldUpMs = 0): void {
    this.run(() => {
      if (this.draining || this.standing !== 'valid') return;
      const writing = [...this.owners].filter(([, owner]) => owner.takesMail);
      const some = writing.slice(0, writingSegments(1 + this.#takers().length, this.settings.segments));
      const chosen = this.cluster.random.pick(some);
      if (chosen === undefined) return;
      const [segment, owner] = chosen;
      const { epoch } = owner;
      const subject = `spool.${segment}.${epoch}`;
      owner.publishing(id, this.cluster.nowMs);
      const refused = (): void => {
        this.cluster.judge.refused(id);
        owner.publishFailed(id, false);
      };
      let stored: number | 'refused' | undefined;
      this.cluster.request(
        this,
        () => {
          const { spool } = this.cluster.stores;
          if (this.cluster.isReadOnly) return NO_ANSWER;
          // The id is the server's key against duplicates.
          stored ??= spool.append(subject, { id, groups }, this.cluster.nowMs);
          if (typeof stored === 'number') this.cluster.judge.stored(id, groups);
          return stored;
        },
        (sequence) => {
          if (sequence === 'refused') owner.publishFailed(id, true);
          else {
            const place: Place = { store: 'spool', sequence, id };
            this.cluster.judge.acked(id);
            owner.published(place, groups);
            // While a segment is being given up its mail is the next owner's.
            if (this.owners.get(segment) === owner && owner.epoch >= epoch)
              this.queues.get(segment)?.add(
                place,
                Array.from({ length: groups }, (_, group) => group),
              );
          }
        },
        APPEND_TIMEOUT_MS,
        refused,
        heldUpMs,
      );
    });
  }

  #newSession(): void {
    this.session = `${this.name.at(-1)}${this.cluster.random.whole(1, 1e9)}`.padStart(26, '0');
    this.#own = new OwnSession(this.clocks());
    this.#watch = new SessionWatch();
    this.#turn = new SuspectTurn();
    this.#plan = new AdoptionPlan(this.session, this.settings.segments);
    this.#renewals = 0;
    this.#renewAtMs = 0;
    this.#echoed = false;
    this.cluster.watch(this, {
      interrupted: () => this.#watch.interrupted(),
      receive: (value) => this.#session(value),
      began: () => this.#watch.began(this.cluster.nowMs),
    });
  }

  #session(value: SessionValue): void {
    const { nowMs } = this.cluster;
    if (value.session === this.session) {
      this.#echoed = true;
      for (const dead of this.#watch.echo(value.sentAtMs, nowMs)) this.#plan.gone(dead);
      return;
    }
    this.#watch.revision(value, nowMs);
    if (value.draining) this.#leaving.add(value.session);
    if (value.ended) this.#watch.ended(value.session, nowMs);
    if (this.#watch.isDead(value.session)) this.#plan.gone(value.session);
    else this.#plan.claim(value.session, value.segments);
  }

  #tick(): void {
    const { nowMs } = this.cluster;
    if (this.standing === 'over') {
      this.#loseAll();
      for (const [segment] of this.owners) this.event(segment, { kind: 'session-over' });
      for (const segment of [...this.owners.keys()]) this.forgetSegment(segment);
      if (this.draining) this.alive = false;
      else this.#newSession();
      return;
    }
    if (nowMs >= this.#renewAtMs) this.#renew(nowMs);
    if (!this.settings.podRules.provesSilence)
      for (const dead of this.#watch.echo(nowMs, nowMs)) this.#plan.gone(dead);
    if (this.draining) {
      if ([...this.owners.values()].every(({ isSettled }) => isSettled)) this.#end();
    } else if (this.#echoed && this.standing === 'valid') {
      const adopting = [...this.owners.values()].filter(({ isOwned }) => !isOwned).length;
      const held = new Set(this.owners.keys());
      for (const segment of this.#plan.due(held, adopting, this.#takers(), nowMs)) this.#adopt(segment);
      if (nowMs >= this.#balanceAtMs) this.#balance(nowMs);
    }
    for (const [segment, owner] of [...this.owners]) {
      this.event(segment, { kind: 'tick' });
      if (owner.phase === 'released' && owner.isSettled && !this.draining) this.forgetSegment(segment);
    }
    for (const queue of this.queues.values()) queue.work();
  }

  /** Other sessions that take segments. */
  #takers(): readonly string[] {
    return this.#watch.living().filter((session) => !this.#leaving.has(session));
  }

  #adopt(segment: number): void {
    const owner = new SegmentOwner({
      session: this.session,
      nextNumber: () => ++this.#batches,
      isDead: (session) => this.#watch.isDead(session),
      suspectTurn: this.#turn,
      rules: this.settings.rules,
      maxJournalBatches: this.settings.maxJournalBatches,
    });
    this.owners.set(segment, owner);
    this.queues.set(
      segment,
      new ModelQueue(this, segment, owner, `${this.session} ${segment} #${++this.#adoptions}`),
    );
    this.event(segment, { kind: 'adopt' });
  }

  #balance(nowMs: number): void {
    this.#balanceAtMs = nowMs + BALANCE_EVERY_MS;
    const living = 1 + this.#takers().length;
    const writing = writingSegments(living, this.settings.segments);
    const owned = [...this.owners]
      .filter(([, { isOwned }]) => isOwned)
      .map(([segment, { messages }], index) => ({ segment, messages, writing: index < writing }));
    if (this.#watch.isSuspecting(nowMs)) return;
    for (const segment of surplusSegments(owned, living, 1, this.settings.segments))
      this.event(segment, { kind: 'release' });
  }

  #renew(nowMs: number): void {
    const sentAt = this.clocks();
    this.#renewAtMs = nowMs + this.#watch.renewEveryMs(nowMs);
    const value: SessionValue = {
      session: this.session,
      renewals: ++this.#renewals,
      sentAtMs: nowMs,
      segments: [...this.owners].filter(([, { phase }]) => phase !== 'released').map(([segment]) => segment),
      ended: false,
      draining: this.draining,
    };
    this.cluster.request(
      this,
      () => this.cluster.renew(value),
      () => this.#own.renewed(sentAt, this.clocks()),
      RENEW_TIMEOUT_MS,
      () => {},
    );
  }

  /** Everything is told: the session ends by its own word. */
  #end(): void {
    const value = {
      session: this.session,
      renewals: ++this.#renewals,
      sentAtMs: this.cluster.nowMs,
      segments: [],
      ended: true,
      draining: true,
    };
    this.cluster.request(
      this,
      () => this.cluster.renew(value),
      () => {},
      RENEW_TIMEOUT_MS,
      () => {},
    );
    this.alive = false;
    this.cluster.unwatch(this.name);
    this.owners.clear();
    this.queues.clear();
  }

  #loseAll(): void {
    for (const [segment, owner] of this.owners)
      this.cluster.judge.lost(this.ownerName(segment), owner.openTransactions + owner.unjournalled);
  }
}
