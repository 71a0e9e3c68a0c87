import assert from 'node:assert/strict';
import type { Admission, Entry, LaneId, UnitId } from './contract.ts';
import { createQueue } from './queue.ts';
import { nextAttemptAtMs } from './retry.ts';
import { HOUR_MS, START_MS, sampleEntry, sampleKey } from './sample.ts';
import { TICK_MS } from './ticks.ts';

const SESSIONS_PER_LANE = 3;
const SOURCES = ['ip-1', 'ip-2'];
const TENANTS = ['acme', 'beta', 'slow'];
const RETRY_DELAYS_MS = [30_000, 120_000, 600_000];
/** A limit that puts units to sleep: one message of this tenant in so many milliseconds, over all lanes. */
const SLOW_TENANT_MS = 400;
const DOMAINS = 60;
const SITES = 9;
/** Hosts of this site never answer: its mail lives until it expires. */
const DEAD_SITE = 'mx-0.example';

/** What a message went through; checked at every step. */
interface Message {
  readonly expireAtMs: number;
  dueAtMs: number;
  attempts: number;
  state: 'queued' | 'in flight' | 'delivered' | 'expired';
}

interface Happening {
  readonly atMs: number;
  readonly order: number;
  readonly what: () => void;
}

/** A pod without network, store and real time: a queue, sites that defer and die, a limit, changing MX, one seed. */
export class SimulatedPod {
  readonly messages: Message[] = [];
  /** One line for everything that happened. */
  readonly log: string[] = [];
  readonly #random: () => number;
  readonly #happenings: Happening[] = [];
  #order = 0;
  #nowMs = START_MS;
  #slowTenantFreeAtMs = START_MS;
  readonly #busy = new Map<string, number>();
  readonly #siteOfDomain = new Map<string, string>();
  readonly #toPump = new Set<LaneId>();
  readonly queue = createQueue({
    classPriority: Number,
    onReady: (lane) => this.#toPump.add(lane),
    onExpired: (entry) => this.#expire(entry),
  });

  constructor(seed: number, messages: number) {
    this.#random = mulberry32(seed);
    for (let index = 0; index < messages; index++) {
      this.#at(START_MS + this.#upTo(600_000), () => this.#accept());
    }
    for (let index = 0; index < 20; index++)
      this.#at(START_MS + this.#upTo(2 * HOUR_MS), () => this.#changeMx());
  }

  /** Lets time pass until nothing can happen any more; tells how long that took. */
  run(): number {
    for (;;) {
      this.#pump();
      const happening = this.#happenings[0];
      const queueAtMs = this.queue.nextAtMs() ?? Number.POSITIVE_INFINITY;
      if (happening === undefined && queueAtMs === Number.POSITIVE_INFINITY) return this.#nowMs - START_MS;
      if (happening !== undefined && happening.atMs <= queueAtMs) {
        this.#happenings.shift();
        this.#nowMs = happening.atMs;
        happening.what();
      } else {
        this.#nowMs = Math.max(this.#nowMs, queueAtMs);
        this.queue.advance(this.#nowMs);
        assert.ok((this.queue.nextAtMs() ?? Number.POSITIVE_INFINITY) > this.#nowMs, 'time must pass');
      }
    }
  }

  #accept(): void {
    const expireAtMs = this.#nowMs + this.#upTo(4 * HOUR_MS);
    const scheduled = this.#random() < 0.1;
    const dueAtMs = scheduled ? this.#nowMs + this.#upTo(HOUR_MS) : this.#nowMs;
    const sequence = this.messages.length;
    this.messages.push({ expireAtMs, dueAtMs, attempts: 0, state: 'queued' });
    const domain = `d${Math.floor(this.#random() ** 3 * DOMAINS)}.example`;
    const key = sampleKey({
      domain,
      tenant: this.#oneOf(TENANTS),
      campaign: this.#oneOf(['', 'sale', 'news']),
      class: this.#oneOf(['', '5', '-5']),
    });
    const unit = this.queue.unitOf(key, this.queue.openLane('shared', this.#siteOf(domain)));
    const recipients = 1 + this.#upTo(5);
    const fields = { sequence, acceptedAtMs: this.#nowMs, dueAtMs, expireAtMs, recipients };
    this.queue.insert(unit, sampleEntry(fields), this.#nowMs);
  }

  #pump(): void {
    for (const lane of this.#toPump) {
      this.#toPump.delete(lane);
      // Every session of the lane asks until there is nothing for it.
      for (const source of SOURCES) while (this.#send(lane, source));
    }
  }

  #send(lane: LaneId, source: string): boolean {
    const session = `${lane} ${source}`;
    const busy = this.#busy.get(session) ?? 0;
    if (busy === SESSIONS_PER_LANE) return false;
    const entry = this.queue.take(lane, source, this.#nowMs, (unit) => this.#admit(unit));
    if (entry === undefined) return false;
    const message = this.#message(entry);
    assert.equal(message.state, 'queued', 'offered while it was not queued');
    assert.ok(message.dueAtMs <= this.#nowMs, 'offered before its time');
    assert.ok(message.expireAtMs + TICK_MS > this.#nowMs, 'offered after its time');
    message.state = 'in flight';
    this.#busy.set(session, busy + 1);
    const { site } = this.queue.laneKey(lane);
    this.#note('send', entry, site, source);
    this.queue.pinLane(lane);
    this.#at(this.#nowMs + 20 + this.#upTo(500), () => {
      this.#busy.set(session, (this.#busy.get(session) ?? 0) - 1);
      this.#settle(entry, site, source);
      this.#toPump.add(lane);
      this.#pump();
      this.queue.unpinLane(lane);
    });
    return true;
  }

  #admit(unit: UnitId): Admission {
    if (this.queue.unitKey(unit).tenant !== 'slow') return 'take';
    if (this.#slowTenantFreeAtMs <= this.#nowMs) {
      this.#slowTenantFreeAtMs = this.#nowMs + SLOW_TENANT_MS;
      return 'take';
    }
    const key = this.queue.unitKey(unit);
    this.#at(this.#slowTenantFreeAtMs, () => {
      assert.equal(this.queue.unitKeyIfAny(unit), key, 'a unit was forgotten while it slept');
      this.queue.wakeUnit(unit);
    });
    return 'sleep';
  }

  #settle(entry: Entry, site: string, source: string): void {
    const message = this.#message(entry);
    const luck = this.#random();
    if (luck < 0.05) {
      message.state = 'queued';
      this.#note('back', entry, site, source);
      this.queue.giveBack(entry);
    } else if (site === DEAD_SITE || luck < 0.3) {
      message.attempts++;
      message.state = 'queued';
      message.dueAtMs = nextAttemptAtMs(this.#nowMs, RETRY_DELAYS_MS, message.attempts, this.#random);
      this.#note('defer', entry, site, source);
      const { dueAtMs, attempts } = message;
      this.queue.defer(entry, { dueAtMs, attempts, preferredSource: luck < 0.2 ? source : '' });
      assert.equal(this.queue.attempts(entry), attempts);
    } else {
      message.state = 'delivered';
      this.#note('done', entry, site, source);
      this.queue.remove(entry);
    }
  }

  #expire(entry: Entry): void {
    const message = this.#message(entry);
    assert.equal(message.state, 'queued');
    assert.ok(message.expireAtMs <= this.#nowMs, 'expired before its time');
    message.state = 'expired';
    this.#note('expire', entry, '', '');
    this.#at(this.#nowMs, () => this.queue.remove(entry));
  }

  #changeMx(): void {
    const domain = `d${this.#upTo(DOMAINS)}.example`;
    const site = `mx-${this.#upTo(SITES)}.example`;
    this.#siteOfDomain.set(domain, site);
    for (const lane of [...this.queue.lanes()]) {
      if (!this.queue.hasLane(lane)) continue;
      for (const unit of [...this.queue.unitsOf(lane)]) {
        if (this.queue.unitKey(unit).domain === domain) {
          this.queue.moveUnit(unit, this.queue.openLane('shared', site));
        }
      }
    }
  }

  #siteOf(domain: string): string {
    return this.#siteOfDomain.get(domain) ?? `mx-${Number(/\d+/.exec(domain)?.[0]) % SITES}.example`;
  }

  #message(entry: Entry): Message {
    const message = this.messages[this.queue.sequence(entry)];
    assert.ok(message !== undefined);
    return message;
  }

  #note(what: string, entry: Entry, site: string, source: string): void {
    this.log.push(`${this.#nowMs} ${what} ${this.queue.sequence(entry)} ${site} ${source}`);
  }

  #at(atMs: number, what: () => void): void {
    const happening = { atMs, order: this.#order++, what };
    let low = 0;
    let high = this.#happenings.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#happenings[middle];
      if (other !== undefined && other.atMs <= atMs) low = middle + 1;
      else high = middle;
    }
    this.#happenings.splice(low, 0, happening);
  }

  /** A whole number below `limit`. */
  #upTo(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #oneOf(values: readonly string[]): string {
    return values[this.#upTo(values.length)] ?? '';
  }
}

/** Small seeded generator, uniform in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
