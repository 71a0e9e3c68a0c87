import type { PoolConfig, SourceConfig } from '@sluice/crds';
import type { SessionFailure } from '../deliver/mod.ts';
import { proxyDoubt } from '../egress/mod.ts';
import type { Admission, Entry, LaneId, UnitId } from '../queue/mod.ts';
import type { SelectorField } from '../react/mod.ts';
import type { NoRoute } from '../route/mod.ts';
import type { ConnectionGrant, Refusal } from '../shape/mod.ts';
import type { Reply } from '../spool/mod.ts';
import { withheld } from './admission.ts';
import type { Setback } from './attempts.ts';
import type { CarriedUnit } from './carried-unit.ts';
import { type CarryingSession, placeOf, SLOT_QUANTUM_MS } from './carrying-session.ts';
import { ConnectionDemand } from './connection-demand.ts';
import { type Opening, openConnection } from './connection-opener.ts';
import { connectionVerdict, isSilence } from './connection-verdict.ts';
import { siteOf } from './destinations.ts';
import type { LaneHost } from './lane-host.ts';
import type { LaneSource } from './lane-source.ts';
import { LaneSources } from './lane-sources.ts';
import type { SiteHealth } from './site-health.ts';
import { SitePause } from './site-pause.ts';

/** Rest of a source that cannot connect at all: its address cannot be used, or the site has none of its family; milliseconds. */
export const SOURCE_PAUSE_MS = 30_000;

/** Fields by which a directive can choose a source for all mail of a lane. */
const LANE_FIELDS: ReadonlySet<SelectorField> = new Set(['pool', 'source', 'site', 'group']);

/** Sessions of one lane (pool, site): opens them as limits allow, feeds them, closes them. */
export class LaneDriver {
  readonly lane: LaneId;
  readonly pool: PoolConfig;
  readonly sessions = new Set<CarryingSession>();
  readonly #demand = new ConnectionDemand();
  lastReply: Reply | undefined;
  /** Wall time; 0 = there is none. */
  lastReplyAtMs = 0;
  /** The limit that held mail of this lane back last. */
  lastRefusal: Refusal | undefined;
  readonly #host: LaneHost;
  readonly #sources: LaneSources;
  readonly #site: SitePause;
  readonly #idle: CarryingSession[] = [];
  readonly #closed = new AbortController();
  /** Aborted when the lane closes or this process is counted out: connections under way are given up. */
  #opening = new AbortController();
  #connecting = 0;
  /** Sessions that say QUIT and wait for the peer. */
  #closing = 0;
  #offered: CarriedUnit | undefined;
  /** Group of the lane's mail, as far as it was seen. */
  #group = '';

  constructor(lane: LaneId, pool: PoolConfig, host: LaneHost) {
    this.lane = lane;
    this.pool = pool;
    this.#host = host;
    const { queue, shaper, clock } = host.context;
    const pump = (): void => host.schedulePump(this);
    this.#site = new SitePause(clock, pump);
    this.#sources = new LaneSources(pool, {
      shaper,
      nowMs: () => clock.nowMs(),
      oldestSinceMs: () => queue.oldestReadyAcceptedAtMs(lane),
      pump,
      suspends: (source) => this.#suspends(source),
    });
  }

  get health(): SiteHealth {
    return this.#site.health;
  }

  /** Nothing open, nothing under way: the lane's driver may be forgotten when the lane is empty. */
  get quiet(): boolean {
    return this.sessions.size + this.#connecting + this.#closing === 0;
  }

  /** The source of this name if this lane has used it. */
  usedSource(name: string): LaneSource | undefined {
    return this.#sources.used(name);
  }

  /** Mail that it carried last. */
  get carriedLast(): CarriedUnit | undefined {
    return this.#offered;
  }

  /** Connections that it wants for what is ready; one while the site has not answered since it failed. */
  get demand(): { readonly wanted: number; readonly probing: boolean } {
    const ready = this.#host.context.queue.readyCount(this.lane);
    const { answers } = this.#site;
    return { wanted: this.#demand.wanted(ready, answers), probing: !answers };
  }

  /** Lets idle sessions pull, then opens what is missing. Cheap when there is nothing to do. */
  pump(): void {
    if (this.#stopped) return;
    for (const session of this.#idle.splice(0)) if (!this.#feed(session)) this.#idle.push(session);
    this.#openMissing();
  }

  /** A connection of this lane that idles on a slot that others want is closed now. */
  yieldIdle(keyId: string): boolean {
    const session = this.#idle.find((each) => each.holds((held) => held === keyId));
    if (session === undefined) return false;
    this.#end(session);
    return true;
  }

  /** Other limits or directives are in force: what the lane waited for may not be what it needs, and who is suspended sends no more. */
  obey(): void {
    this.#sources.stopWaiting();
    for (const session of this.sessions) if (session.laneSource.suspended) session.retiring = true;
    for (const session of [...this.#idle]) if (session.retiring) this.#end(session);
  }

  /** No new connection, no new message; open transactions end on their own, idle sessions and connections under way at once. */
  close(): void {
    this.#closed.abort();
    this.#opening.abort();
    this.#site.stop();
    for (const session of this.sessions) session.retiring = true;
    for (const session of [...this.#idle]) this.#end(session);
    this.#sources.close();
  }

  /** Ends the sessions of sources that must not be used any more, in the middle of a message too. */
  cut(mustEnd: (sourceName: string) => boolean): void {
    for (const session of this.sessions) {
      if (!mustEnd(session.source.name)) continue;
      session.retiring = true;
      this.#watch(session.smtp.destroy());
    }
  }

  /** Ends the sessions in the middle of messages that are not ours any more: another process may send them now. */
  cutCarrying(gone: (sequence: number) => boolean): void {
    for (const session of this.sessions) {
      if (session.carriesSequence === 0 || !gone(session.carriesSequence)) continue;
      session.retiring = true;
      this.#watch(session.smtp.destroy());
    }
  }

  /** Cuts what is still open: the grace is over. */
  destroy(): void {
    this.cut(() => true);
  }

  /** Cuts everything, connections under way too: this process is counted out, and others use its limits. The lane goes on. */
  fence(): void {
    this.#opening.abort();
    if (!this.#stopped) this.#opening = new AbortController();
    this.destroy();
  }

  get #stopped(): boolean {
    return this.#closed.signal.aborted || this.#host.context.draining();
  }

  /** Nothing that runs on its own may fail unheard. */
  #watch(work: Promise<void>): void {
    work.catch((error) => this.#host.context.report.fault(error));
  }

  /** Starts the next transaction of an idle session; `false` = nothing for it now. */
  #feed(session: CarryingSession): boolean {
    if (session.exhausted) {
      this.#end(session);
      return true;
    }
    const entry = this.#next(session);
    if (entry === undefined) return false;
    clearTimeout(session.idleTimer);
    session.smtp.onEnd = undefined;
    this.#watch(this.#carryOn(session, entry));
    return true;
  }

  /** One message after the other until there is none, then the session idles. */
  async #carryOn(session: CarryingSession, first: Entry): Promise<void> {
    let entry: Entry | undefined = first;
    try {
      while (entry !== undefined && this.#offered !== undefined) {
        const { clock } = this.#host.context;
        const beganMs = clock.nowMs();
        session.carriesSequence = this.#host.context.queue.sequence(entry);
        const setback = await this.#host.attempt(session, this.#offered, entry);
        session.carriesSequence = 0;
        this.#demand.observe(clock.nowMs() - beganMs);
        entry = undefined;
        if (setback === undefined) this.#worked(session);
        else this.#setBack(session, setback);
        this.#sources.charge(session.laneSource);
        if (this.#idle.length > 0) this.#host.schedulePump(this);
        else this.#openMissing();
        if (session.exhausted || this.#quantumOver(session) || this.#stopped) {
          this.#end(session);
          return;
        }
        entry = this.#next(session);
      }
      this.#park(session);
    } catch (error) {
      this.#end(session);
      if (entry !== undefined) this.#host.rescue(entry);
      throw error;
    }
  }

  #worked(session: CarryingSession): void {
    if (session.carried === 0) return;
    this.#site.worked();
    session.laneSource.welcomed();
  }

  /**
   * Some recipient was deferred or refused, and the lane's timer must know of the next attempt. A host that greets and then ends the session in
   * its first transaction (421 to MAIL is how providers say "not now" and "not you") refuses as much as one that does not greet: the site pauses,
   * or the source rests, and this message was the probe. 4xx without an end speaks of the message, 421 after some messages of their number.
   */
  #setBack(session: CarryingSession, setback: Setback): void {
    this.#replied(setback.reply);
    this.#host.armSoon();
    if (setback.refusal === undefined) this.#worked(session);
    else this.#judge(session.laneSource, setback.refusal, session);
  }

  #replied(reply: Reply): void {
    this.lastReply = reply;
    this.lastReplyAtMs = this.#host.context.clock.nowMs();
  }

  /** Others wait for one of its slots, and it has had it for its quantum. */
  #quantumOver(session: CarryingSession): boolean {
    return this.#isWanted(session) && session.pastQuantum(this.#host.context.clock.nowMs());
  }

  /** Others wait for one of its slots. */
  #isWanted(session: CarryingSession): boolean {
    if (!this.#host.anySlotWanted()) return false;
    return session.holds((keyId) => {
      const wanted = this.#host.slotWanted(keyId);
      return wanted === 'elsewhere' || (wanted === 'here' && !this.#waitsAlone(session.laneSource, keyId));
    });
  }

  /** A slot that goes from a session to the next one of the same source is a new connection for nothing. */
  #waitsAlone(laneSource: LaneSource, keyId: string): boolean {
    if (!laneSource.connectionBlocked || laneSource.waitsFor !== keyId) return false;
    const { shaper, clock } = this.#host.context;
    return shaper.inspect(keyId, clock.nowMs())?.waiting === 1;
  }

  #park(session: CarryingSession): void {
    // Who waits may have said so while it was busy: what has nothing to carry keeps no slot from others.
    if (session.exhausted || this.#stopped || this.#isWanted(session)) {
      this.#end(session);
      return;
    }
    const end = (): void => this.#end(session);
    this.#idle.push(session);
    session.smtp.onEnd = end;
    session.idleTimer = setTimeout(end, session.destination.policy.session.idleTimeoutMs);
    session.idleTimer.unref();
    this.#openMissing();
  }

  #suspends({ name, address }: SourceConfig): boolean {
    const { directives } = this.#host.context.generation();
    if (directives.directives.length === 0) return false;
    const facts = {
      pool: this.pool.name,
      sourceName: name,
      sourceAddress: address,
      site: siteOf(this.#host.context.queue.laneKey(this.lane).site),
      group: this.#group,
    };
    return directives.find('Suspend', facts, LANE_FIELDS) !== undefined;
  }

  /** A source that is ahead of its weight leaves mail to the others, but for what only this one can carry, or shall. */
  #mayPull(laneSource: LaneSource): boolean {
    if (this.#sources.mayPull(laneSource)) return true;
    const unit = this.#peekUnit();
    if (unit === undefined) return false;
    return unit.key.preferredSource === laneSource.source.name || this.#sources.onlyFor(laneSource, unit);
  }

  /** The next entry for a session, with its tokens taken. Leaves its unit in `#offered`. */
  #next(session: CarryingSession): Entry | undefined {
    const { context } = this.#host;
    if (context.journal.full) {
      this.#host.waitForJournal(this);
      return undefined;
    }
    const { laneSource } = session;
    if (laneSource.tokensBlocked || laneSource.suspended || context.draining()) return undefined;
    if (!this.#mayPull(laneSource)) return undefined;
    const nowMs = context.clock.nowMs();
    return context.queue.take(
      this.lane,
      laneSource.source.name,
      nowMs,
      (unit, entry) => this.#admit(session, unit, entry, nowMs),
      this.#sources.standsInFor,
    );
  }

  #admit(session: CarryingSession, unitId: UnitId, entry: Entry, nowMs: number): Admission {
    const unit = this.#host.carriedUnit(unitId, this.lane);
    if (unit === undefined) return 'sleep';
    this.#group = unit.destination.policy.group;
    const { source } = session;
    if (unit.suspends(source)) return 'skip';
    const missing = withheld(this.#host.context, session, unit, entry, nowMs);
    if (missing === undefined) {
      unit.refusedFor.delete(source.name);
      this.#offered = unit;
      return 'take';
    }
    this.#waited(missing.refusal);
    if (!missing.laneWide) return this.#withoutSource(session, unit, missing.refusal);
    session.laneSource.tokensBlocked = true;
    // Idle sessions of other sources that left mail to this one need not any more.
    if (this.#idle.length > 0) this.#host.schedulePump(this);
    return 'stop';
  }

  /** A limit of the unit said no: it sleeps, unless the limit speaks of this source only and another one can still carry it. */
  #withoutSource({ laneSource }: CarryingSession, unit: CarriedUnit, { key }: Refusal): Admission {
    if (!unit.keys(laneSource.source, '').perSource.has(key.id)) return 'sleep';
    unit.refusedFor.add(laneSource.source.name);
    if (this.#sources.onlyFor(laneSource, unit)) return 'sleep';
    // Idle sessions of other sources that left its mail to this one need not any more.
    if (this.#idle.length > 0) this.#host.schedulePump(this);
    return 'skip';
  }

  /** A limit said no: tell, and make sure that the pod's timer rings when it may say yes. */
  #waited(refusal: Refusal): void {
    this.lastRefusal = refusal;
    this.#host.context.report.limitWaited(refusal.key.limitName);
    this.#host.armSoon();
  }

  #openMissing(): void {
    if (this.#stopped || this.#site.paused) return;
    const { queue, shaper, clock } = this.#host.context;
    const ready = queue.readyCount(this.lane);
    if (ready === 0) this.#sources.stopWaiting();
    const wanted = this.#demand.wanted(ready, this.#site.answers);
    let refusedBy = '';
    while (this.#connecting + this.sessions.size - this.#idle.length < wanted) {
      const unit = this.#peekUnit();
      const laneSource = unit === undefined ? undefined : this.#sourceFor(unit);
      if (unit === undefined || laneSource === undefined) return;
      const { connection } = unit.keys(laneSource.source, '');
      const slots = shaper.takeConnection(connection, laneSource.connectionWaiter, clock.nowMs());
      if (slots.granted) {
        this.#watch(this.#connect(laneSource, unit, slots));
        continue;
      }
      laneSource.connectionBlocked = true;
      laneSource.waitsFor = slots.key.id;
      this.#waited(slots);
      if (!laneSource.usable && this.#idle.length > 0) this.#host.schedulePump(this);
      // The same limit refused two sources: it is one that they share, and the others need not ask.
      if (slots.key.id === refusedBy) return;
      refusedBy = slots.key.id;
    }
  }

  #sourceFor(unit: CarriedUnit): LaneSource | undefined {
    const preferred = this.#sources.named(unit.key.preferredSource);
    if (preferred !== undefined && this.#mayOpen(preferred, unit)) return preferred;
    return this.#sources.choose((laneSource) => this.#mayOpen(laneSource, unit));
  }

  /** An idle session that may not pull is ahead of its weight or waits for tokens: another source may help, a second connection of its own does not. */
  #mayOpen(laneSource: LaneSource, unit: CarriedUnit): boolean {
    return (
      laneSource.usable &&
      !unit.barredFrom(laneSource.source) &&
      !laneSource.connectionBlocked &&
      !laneSource.resting &&
      !this.#idle.some((session) => session.laneSource === laneSource)
    );
  }

  /** A unit that could go now, without taking anything. */
  #peekUnit(): CarriedUnit | undefined {
    let found: CarriedUnit | undefined;
    const { queue, clock } = this.#host.context;
    queue.take(this.lane, undefined, clock.nowMs(), (unit) => {
      found = this.#host.carriedUnit(unit, this.lane);
      return found === undefined ? 'sleep' : 'stop';
    });
    if (found !== undefined) this.#group = found.destination.policy.group;
    return found;
  }

  async #connect(laneSource: LaneSource, unit: CarriedUnit, slots: ConnectionGrant): Promise<void> {
    const { context } = this.#host;
    this.#connecting++;
    laneSource.connections++;
    let opening: Opening | undefined;
    try {
      opening = await openConnection(context, laneSource, unit, slots, this.#opening.signal);
    } finally {
      this.#connecting--;
      if (opening?.kind !== 'opened') laneSource.connections--;
      // An exception is a bug that the next connection would meet at once.
      if (opening === undefined) this.#site.failed();
    }
    if (opening.kind === 'opened') {
      this.#opened(opening.session);
      return;
    }
    if (opening.kind === 'failed' && !this.#stopped) {
      await this.#failed(laneSource, unit, opening.failure);
    }
    this.#host.schedulePump(this);
  }

  #opened(session: CarryingSession): void {
    this.#host.context.report.connection('opened', placeOf(session));
    this.#site.greeted();
    this.sessions.add(session);
    session.retiring = this.#stopped || session.laneSource.suspended;
    if (!this.#feed(session)) this.#park(session);
    else this.#openMissing();
  }

  /** No host took the connection. */
  async #failed(laneSource: LaneSource, unit: CarriedUnit, failure: SessionFailure | NoRoute): Promise<void> {
    const { destination } = unit;
    const { report, reactions } = this.#host.context;
    report.connection('failed', placeOf({ laneSource, destination }));
    this.#replied(failure.reply);
    const facts = unit.facts(laneSource.source, failure.reply.host);
    const consequence =
      'kind' in failure ? undefined : reactions.ofConnection(failure, facts, destination.policy);
    if (!this.#judge(laneSource, failure)) return;
    // What DNS says of a domain's hosts holds for that domain's mail alone; when it is final, for all of it.
    const domain = 'kind' in failure ? destination.domain : undefined;
    const hopeless = 'kind' in failure && failure.kind === 'permanent';
    const blame = { source: laneSource, failure, domain, consequence: await consequence };
    while (!this.#stopped && (await this.#host.failHead(this.lane, blame)) && hopeless);
  }

  /** Draws the consequences of a refusal; `true` = a message is to be charged with the attempt. `ending` is the session that it ended. */
  #judge(laneSource: LaneSource, failure: SessionFailure | NoRoute, ending?: CarryingSession): boolean {
    const others = [...this.sessions].filter((session) => session !== ending);
    const alternative = this.#sources.hasAlternativeTo(laneSource);
    const verdict = connectionVerdict(failure, {
      sourceConnected: others.some((session) => session.laneSource === laneSource),
      siteConnected: others.length > 0,
      alternative,
      proxyInDoubt: !('kind' in failure) && isSilence(failure) && proxyDoubt(laneSource.source) !== undefined,
    });
    switch (verdict) {
      case 'SourceBroken':
        this.#host.context.report.sourceBroken(laneSource.source, failure.reply);
        laneSource.rest(SOURCE_PAUSE_MS);
        return false;
      case 'OtherFamily':
        laneSource.rest(SOURCE_PAUSE_MS);
        return false;
      case 'EnoughConnections':
        laneSource.rest(SLOT_QUANTUM_MS);
        return false;
      case 'SourceRefused':
        laneSource.restLonger();
        return false;
      case 'SiteDown':
        this.#site.failed();
        // Whether it is the site or this source's way to it, the next probe by another source tells.
        if (alternative && !('kind' in failure)) laneSource.restLonger();
        return true;
    }
  }

  #end(session: CarryingSession): void {
    if (this.sessions.delete(session)) this.#watch(this.#closeSession(session));
  }

  async #closeSession(session: CarryingSession): Promise<void> {
    const { context } = this.#host;
    clearTimeout(session.idleTimer);
    session.smtp.onEnd = undefined;
    const index = this.#idle.indexOf(session);
    if (index >= 0) this.#idle.splice(index, 1);
    this.#closing++;
    try {
      await session.smtp.close();
    } finally {
      this.#closing--;
      session.laneSource.connections--;
      session.release(context.shaper, context.clock.nowMs());
      context.report.connection('closed', placeOf(session));
      this.#host.schedulePump(this);
    }
  }
}
