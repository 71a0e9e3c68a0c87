import type { PoolConfig, SourceConfig } from '@sluice/crds';
import type { Session, SessionFailure } from '../deliver/mod.ts';
import { createSourceChoice, type SourceChoice, sourceFamily } from '../egress/mod.ts';
import type { Admission, Entry, LaneId, UnitId } from '../queue/mod.ts';
import type { NoRoute, Target } from '../route/mod.ts';
import type { ConnectionGrant, Refusal } from '../shape/mod.ts';
import type { Reply } from '../spool/mod.ts';
import type { ConnectionPlace } from './attempt-report.ts';
import type { CarriedUnit } from './carried-unit.ts';
import { CarryingSession } from './carrying-session.ts';
import { connectionsWanted } from './connection-demand.ts';
import type { Destination } from './destinations.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { LaneSource } from './lane-source.ts';
import { HEALTHY, mayConnect, type SiteHealth, siteFailed } from './site-health.ts';

/** A session whose slot others wait for gives it up after so many messages or so long, whichever comes first (DESIGN §6, quantum). */
export const SLOT_QUANTUM_MESSAGES = 20;
export const SLOT_QUANTUM_MS = 10_000;

/** Pause of a source whose own address cannot be used, milliseconds. */
export const SOURCE_PAUSE_MS = 30_000;

/** What a lane asks of the dispatcher. */
export interface LaneHost {
  readonly context: DispatchContext;
  /** The unit's destination and limits while its route is fresh and leads to this lane; otherwise the unit was put to sleep. */
  carriedUnit(unit: UnitId, lane: LaneId): CarriedUnit | undefined;
  /** Sends one entry; resolves when it is settled, with the reply that deferred or refused some recipient, if one did. */
  attempt(session: CarryingSession, unit: CarriedUnit, entry: Entry): Promise<Reply | undefined>;
  /** The head message of the lane takes the blame for a failed connection. */
  failHead(
    entry: Entry,
    destination: Destination,
    source: LaneSource,
    failure: SessionFailure | NoRoute,
  ): Promise<void>;
  schedulePump(lane: LaneDriver): void;
  /** Something was refused until a time: the timer must know. */
  armSoon(): void;
  /** Somebody waits for a slot of this key. */
  slotWanted(keyId: string): boolean;
  anySlotWanted(): boolean;
  /** Outcomes pile up: pump again when there is room. */
  waitForJournal(lane: LaneDriver): void;
}

/** Sessions of one lane (pool, site): opens them as limits allow, feeds them, closes them. */
export class LaneDriver {
  readonly lane: LaneId;
  readonly pool: PoolConfig;
  readonly #host: LaneHost;
  readonly #sources = new Map<string, LaneSource>();
  readonly #choice: SourceChoice;
  readonly sessions = new Set<CarryingSession>();
  readonly #idle: CarryingSession[] = [];
  #health: SiteHealth = HEALTHY;
  #connecting = 0;
  #siteAnswers = false;
  /** Sessions that say QUIT and wait for the peer. */
  #closing = 0;
  #closed = false;
  #pauseTimer: NodeJS.Timeout | undefined;
  #offered: CarriedUnit | undefined;
  lastReply: Reply | undefined;

  constructor(lane: LaneId, pool: PoolConfig, host: LaneHost) {
    this.lane = lane;
    this.pool = pool;
    this.#host = host;
    this.#choice = createSourceChoice(pool.sources);
    for (const source of pool.sources) {
      const laneSource = new LaneSource(
        source,
        () => this.#oldestSinceMs(),
        () => host.schedulePump(this),
      );
      this.#sources.set(source.name, laneSource);
    }
  }

  get health(): SiteHealth {
    return this.#health;
  }

  /** Nothing open, nothing under way: the lane's driver may be forgotten when the lane is empty. */
  get quiet(): boolean {
    return this.sessions.size + this.#connecting + this.#closing === 0;
  }

  /** Lets idle sessions pull, then opens what is missing. Cheap when there is nothing to do. */
  pump(): void {
    const { context } = this.#host;
    if (this.#closed || context.draining()) return;
    for (const session of this.#idle.splice(0)) if (!this.#feed(session)) this.#idle.push(session);
    this.#openMissing();
  }

  /** A connection of this lane that idles on a slot that others want is closed now. */
  yieldIdle(keyId: string): boolean {
    const session = this.#idle.find((each) => each.holds((held) => held === keyId));
    if (session === undefined) return false;
    void this.#end(session);
    return true;
  }

  /** Ends sessions: at once when idle, after the current message when busy. */
  retire(): void {
    for (const session of this.sessions) session.retiring = true;
    for (const session of [...this.#idle]) void this.#end(session);
  }

  /** No new connection, no new message; open transactions end on their own. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#pauseTimer);
    this.retire();
    for (const laneSource of this.#sources.values()) {
      this.#host.context.shaper.cancel(laneSource.connectionWaiter);
      this.#host.context.shaper.cancel(laneSource.tokenWaiter);
    }
  }

  /** Ends the sessions of sources that must not be used any more, in the middle of a message too. */
  cut(mustEnd: (sourceName: string) => boolean): void {
    for (const session of this.sessions) if (mustEnd(session.source.name)) void session.smtp.destroy();
  }

  /** Cuts what is still open: the grace is over. */
  destroy(): void {
    for (const session of this.sessions) void session.smtp.destroy();
  }

  /** The source carries mail of this lane, or could begin to now. */
  #usable(laneSource: LaneSource | undefined): boolean {
    if (laneSource === undefined || laneSource.source.state !== 'Active') return false;
    const { broken, tokensBlocked, connectionBlocked, connections } = laneSource;
    return !broken && !tokensBlocked && (!connectionBlocked || connections > 0);
  }

  /** Starts the next transaction of an idle session; `false` = nothing for it now. */
  #feed(session: CarryingSession): boolean {
    if (session.exhausted) {
      void this.#end(session);
      return true;
    }
    const entry = this.#next(session);
    if (entry === undefined) return false;
    clearTimeout(session.idleTimer);
    session.smtp.onEnd = undefined;
    void this.#carryOn(session, entry);
    return true;
  }

  /** One message after the other until there is none, then the session idles. */
  async #carryOn(session: CarryingSession, first: Entry): Promise<void> {
    for (let entry: Entry | undefined = first; entry !== undefined; entry = this.#next(session)) {
      const unit = this.#offered;
      if (unit === undefined) break;
      this.lastReply = (await this.#host.attempt(session, unit, entry)) ?? this.lastReply;
      this.#choice.charge(session.source, 1);
      if (session.smtp.usable) this.#siteAnswers = true;
      if (this.#idle.length > 0) this.#host.schedulePump(this);
      else this.#openMissing();
      if (session.exhausted || this.#quantumOver(session) || this.#host.context.draining()) {
        await this.#end(session);
        return;
      }
    }
    this.#park(session);
  }

  #quantumOver(session: CarryingSession): boolean {
    if (!this.#host.anySlotWanted()) return false;
    if (
      session.smtp.transactions < SLOT_QUANTUM_MESSAGES &&
      this.#host.context.clock.nowMs() - session.openedAtMs < SLOT_QUANTUM_MS
    ) {
      return false;
    }
    return session.holds((keyId) => this.#host.slotWanted(keyId));
  }

  #park(session: CarryingSession): void {
    if (session.exhausted) {
      void this.#end(session);
      return;
    }
    this.#idle.push(session);
    session.smtp.onEnd = () => void this.#end(session);
    session.idleTimer = setTimeout(
      () => void this.#end(session),
      session.destination.policy.session.idleTimeoutMs,
    );
    session.idleTimer.unref();
    this.#openMissing();
  }

  /** Weights hold over time: a source that is ahead leaves mail to the others, but for retries that ask for this source. */
  #mayPull(laneSource: LaneSource): boolean {
    const usable = (source: SourceConfig): boolean => this.#usable(this.#sources.get(source.name));
    if (this.#choice.mayPull(laneSource.source, usable)) return true;
    return this.#peekUnit()?.key.preferredSource === laneSource.source.name;
  }

  /** The next entry for a session, with its tokens taken. Leaves its unit in `#offered`. */
  #next(session: CarryingSession): Entry | undefined {
    const { context } = this.#host;
    if (context.journal.full) {
      this.#host.waitForJournal(this);
      return undefined;
    }
    const { laneSource } = session;
    if (laneSource.tokensBlocked || context.draining()) return undefined;
    if (!this.#mayPull(laneSource)) return undefined;
    const nowMs = context.clock.nowMs();
    return context.queue.take(
      this.lane,
      laneSource.source.name,
      nowMs,
      (unit, entry) => this.#admit(session, unit, entry, nowMs),
      (preferred) => !this.#usable(this.#sources.get(preferred)),
    );
  }

  #admit(session: CarryingSession, unitId: UnitId, entry: Entry, nowMs: number): Admission {
    const { context } = this.#host;
    const unit = this.#host.carriedUnit(unitId, this.lane);
    if (unit === undefined) return 'sleep';
    const { laneSource } = session;
    const keys = unit.keys(laneSource.source, session.target.host.name);
    unit.since = context.queue.acceptedAtMs(entry);
    const needed = session.needs(keys);
    if (!session.carries(needed)) {
      session.carry(undefined, context.shaper, nowMs);
      if (needed.keys.length > 0) {
        const slots = context.shaper.takeConnection(needed, unit, nowMs);
        if (!slots.granted) return this.#sleep(slots);
        session.carry(slots, context.shaper, nowMs);
      }
    }
    if (keys.transaction.keys.length > 0) {
      const cost = {
        recipients: Math.min(
          context.queue.recipients(entry),
          session.destination.policy.session.recipientsPerTransaction,
        ),
        sizeBytes: context.queue.sizeBytes(entry),
      };
      const laneWide = context.shaper.takeTransaction(keys.transaction, cost, laneSource.tokenWaiter, nowMs);
      if (!laneWide.granted) {
        if (keys.laneWide.has(laneWide.key.id)) {
          laneSource.tokensBlocked = true;
          this.#waited(laneWide);
          return 'stop';
        }
        context.shaper.cancel(laneSource.tokenWaiter);
        const unitTokens = context.shaper.takeTransaction(keys.transaction, cost, unit, nowMs);
        if (!unitTokens.granted) return this.#sleep(unitTokens);
      }
    }
    this.#offered = unit;
    return 'take';
  }

  #sleep(refusal: Refusal): Admission {
    this.#waited(refusal);
    return 'sleep';
  }

  /** A limit said no: tell, and make sure that the pod's timer rings when it may say yes. */
  #waited(refusal: Refusal): void {
    this.#host.context.report.limitWaited(refusal.key.limitName);
    this.#host.armSoon();
  }

  #openMissing(): void {
    const { context } = this.#host;
    const nowMs = context.clock.nowMs();
    if (this.#closed || context.draining() || !mayConnect(this.#health, nowMs)) return;
    const ready = context.queue.readyCount(this.lane);
    if (ready === 0) this.#stopWaiting();
    const wanted = connectionsWanted(ready, this.#siteAnswers);
    const busy = this.sessions.size - this.#idle.length;
    while (this.#connecting + busy < wanted) {
      const unit = this.#peekUnit();
      if (unit === undefined) return;
      // An idle session that may not pull is ahead of its weight or waits for tokens: another source may help, a second connection of its own does not.
      const mayOpen = (each: SourceConfig): boolean => this.#mayOpen(this.#sources.get(each.name));
      const preferred = this.#sources.get(unit.key.preferredSource);
      const source =
        preferred !== undefined && mayOpen(preferred.source)
          ? preferred.source
          : this.#choice.choose((each) => this.#usable(this.#sources.get(each.name)), mayOpen);
      const laneSource = source === undefined ? undefined : this.#sources.get(source.name);
      if (laneSource === undefined) return;
      const slots = context.shaper.takeConnection(
        unit.keys(laneSource.source, '').connection,
        laneSource.connectionWaiter,
        nowMs,
      );
      if (!slots.granted) {
        laneSource.connectionBlocked = true;
        this.#waited(slots);
        continue;
      }
      void this.#connect(laneSource, unit, slots);
    }
  }

  /** Nothing to send: others shall have the slots that this lane waited for. */
  #stopWaiting(): void {
    for (const laneSource of this.#sources.values()) {
      if (!laneSource.connectionBlocked) continue;
      this.#host.context.shaper.cancel(laneSource.connectionWaiter);
      laneSource.connectionBlocked = false;
    }
  }

  #mayOpen(laneSource: LaneSource | undefined): boolean {
    return (
      laneSource !== undefined &&
      this.#usable(laneSource) &&
      !laneSource.connectionBlocked &&
      !this.#idle.some((session) => session.laneSource === laneSource)
    );
  }

  /** A unit that could go now, without taking anything. */
  #peekUnit(): CarriedUnit | undefined {
    let found: CarriedUnit | undefined;
    const { context } = this.#host;
    context.queue.take(this.lane, undefined, context.clock.nowMs(), (unit) => {
      found = this.#host.carriedUnit(unit, this.lane);
      return found === undefined ? 'sleep' : 'stop';
    });
    return found;
  }

  /** Tries the hosts of the site in order until one greets. */
  async #connect(laneSource: LaneSource, unit: CarriedUnit, slots: ConnectionGrant): Promise<void> {
    const { context } = this.#host;
    const { destination } = unit;
    this.#connecting++;
    laneSource.connections++;
    let failure: SessionFailure | NoRoute | undefined;
    for await (const target of context.router.targets(destination.route, sourceFamily(laneSource.source))) {
      if ('kind' in target) {
        failure ??= target;
        break;
      }
      const hostKeys = unit.keys(laneSource.source, target.host.name).host;
      const hostSlots =
        hostKeys.keys.length === 0
          ? undefined
          : context.shaper.takeConnection(hostKeys, laneSource.connectionWaiter, context.clock.nowMs());
      if (hostSlots?.granted === false) continue;
      const opened = await this.#open(laneSource, destination, target);
      if (opened.ok) {
        this.#connecting--;
        this.#opened(
          new CarryingSession(
            opened,
            target,
            laneSource,
            destination,
            hostSlots === undefined ? [slots] : [slots, hostSlots],
            context.clock.nowMs(),
          ),
        );
        return;
      }
      if (hostSlots !== undefined) context.shaper.release(hostSlots, context.clock.nowMs());
      failure = opened;
      if (!opened.tryNextHost) break;
    }
    this.#connecting--;
    laneSource.connections--;
    context.shaper.release(slots, context.clock.nowMs());
    if (failure === undefined) {
      // Every host that could be tried waits for a slot of its own.
      laneSource.connectionBlocked = true;
      return;
    }
    await this.#failed(laneSource, destination, failure);
  }

  #open(laneSource: LaneSource, destination: Destination, target: Target): Promise<Session | SessionFailure> {
    const { context } = this.#host;
    const { session } = destination.policy;
    return context.openSession({
      dial: (signal) =>
        context.dial(
          laneSource.source,
          target.address.address,
          target.host.port,
          session.timeouts.connectMs,
          signal,
        ),
      hostName: target.host.name,
      address: target.address.address,
      port: target.host.port,
      ehlo: laneSource.source.ehlo,
      tls: { level: destination.tlsLevel },
      ...(target.host.auth === undefined ? {} : { auth: target.host.auth }),
      timeouts: session.timeouts,
    });
  }

  #opened(session: CarryingSession): void {
    this.#host.context.report.connection('opened', placeOf(session.laneSource, session.destination));
    this.#health = HEALTHY;
    this.#siteAnswers = true;
    this.sessions.add(session);
    session.retiring = this.#closed;
    if (!this.#feed(session)) this.#park(session);
    else this.#openMissing();
  }

  /** No host took the connection: the site pauses, one message is charged with the attempt, the others wait. */
  async #failed(
    laneSource: LaneSource,
    destination: Destination,
    failure: SessionFailure | NoRoute,
  ): Promise<void> {
    const { context } = this.#host;
    const nowMs = context.clock.nowMs();
    context.report.connection('failed', placeOf(laneSource, destination));
    this.lastReply = failure.reply;
    if ('cause' in failure && failure.cause === 'local') {
      this.#breakSource(laneSource, failure.reply);
      return;
    }
    if (this.sessions.size > 0) {
      // A refusal while other sessions work says "no more connections", not "the site is down".
      this.#pause({ failures: 0, pausedUntilMs: nowMs + SLOT_QUANTUM_MS }, nowMs);
      return;
    }
    this.#siteAnswers = false;
    this.#pause(siteFailed(this.#health, nowMs), nowMs);
    const hopeless = 'kind' in failure && failure.kind === 'permanent';
    do {
      const head = context.queue.take(this.lane, undefined, context.clock.nowMs(), () => 'take');
      if (head === undefined) return;
      await this.#host.failHead(head, destination, laneSource, failure);
    } while (hopeless);
  }

  #pause(health: SiteHealth, nowMs: number): void {
    this.#health = health;
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = setTimeout(() => this.#host.schedulePump(this), health.pausedUntilMs - nowMs);
    this.#pauseTimer.unref();
  }

  /** The source itself cannot connect (its address is not on this machine): no message is charged, the other sources carry on. */
  #breakSource(laneSource: LaneSource, reply: Reply): void {
    this.#host.context.report.sourceBroken(laneSource.source, reply);
    laneSource.broken = true;
    const timer = setTimeout(() => {
      laneSource.broken = false;
      this.#host.schedulePump(this);
    }, SOURCE_PAUSE_MS);
    timer.unref();
    this.#host.schedulePump(this);
  }

  async #end(session: CarryingSession): Promise<void> {
    if (!this.sessions.delete(session)) return;
    const { context } = this.#host;
    clearTimeout(session.idleTimer);
    session.smtp.onEnd = undefined;
    const index = this.#idle.indexOf(session);
    if (index >= 0) this.#idle.splice(index, 1);
    this.#closing++;
    await session.smtp.close();
    this.#closing--;
    session.laneSource.connections--;
    session.release(context.shaper, context.clock.nowMs());
    context.report.connection('closed', placeOf(session.laneSource, session.destination));
    this.#host.schedulePump(this);
  }

  #oldestSinceMs(): number {
    return this.#host.context.queue.oldestReadyAcceptedAtMs(this.lane);
  }
}

function placeOf(laneSource: LaneSource, destination: Destination): ConnectionPlace {
  return { pool: destination.pool, source: laneSource.source.name, group: destination.policy.group };
}
