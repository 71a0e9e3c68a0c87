import type { ConnectionGrant, Shaper, Waiter } from '../contract.ts';
import type { KeySet } from '../limit-key.ts';
import { TRANSACTION_RATES } from '../limit-key.ts';
import type { Timeline } from './agenda.ts';
import type { LimitWatch } from './limit-watch.ts';

/** What a lane of a simulated pod does: connect, carry some messages, leave, again and again while it has mail. */
export interface LaneLoad {
  readonly keys: KeySet;
  readonly watches: readonly Pick<LimitWatch, 'connect' | 'disconnect' | 'spend'>[];
  readonly priority: number;
  /** Recipients of its next message. */
  readonly recipients: () => number;
  readonly messagesPerConnection: number;
  /** How long a message takes. */
  readonly transactionMs: () => number;
  /** From when until when it has mail, … */
  readonly fromMs: number;
  readonly untilMs: number;
  /** … and absent = all the time between. */
  readonly spells?: Spells | undefined;
}

/** Mail comes in spells of this length, the next one begins so long after the one before. */
export interface Spells {
  readonly forMs: number;
  readonly everyMs: number;
}

/** A connection whose slot somebody else wants ends after this long: between two messages, or while it waits for a token. */
const QUANTUM_MS = 10_000;

/** A pod: the real shaper, driven by a timer that is late as timers are. */
export class SimulatedPod {
  readonly shaper: Shaper;
  readonly lanes: SimulatedLane[] = [];
  readonly wanted = new Set<string>();
  readonly agenda: Timeline;
  readonly #latenessMs: () => number;
  #timerAtMs = Number.POSITIVE_INFINITY;
  alive = true;

  constructor(shaper: Shaper, agenda: Timeline, latenessMs: () => number) {
    this.shaper = shaper;
    this.agenda = agenda;
    this.#latenessMs = latenessMs;
  }

  addLane(load: LaneLoad): SimulatedLane {
    const lane = new SimulatedLane(this, load);
    this.lanes.push(lane);
    this.agenda.at(load.fromMs, (nowMs) => lane.connect(nowMs));
    return lane;
  }

  /** Somebody waits for a slot of this key, or nobody does any more. */
  slotWanted(keyId: string, wanted: boolean): void {
    if (!wanted) {
      this.wanted.delete(keyId);
      return;
    }
    if (this.wanted.has(keyId)) return;
    this.wanted.add(keyId);
    for (const lane of this.lanes) lane.yieldLater();
  }

  /** All connections end without a word to anybody. */
  destroySockets(): void {
    for (const lane of this.lanes) lane.fenced();
  }

  /** After {@link destroySockets}. */
  reconnect(nowMs: number): void {
    for (const lane of this.lanes) lane.connect(nowMs);
  }

  /** Everything stops at once; what it held counts until it is fenced. */
  die(): void {
    this.alive = false;
  }

  fenced(): void {
    for (const lane of this.lanes) lane.fenced();
  }

  /** After anything happened: the one timer of the pod. */
  arm(): void {
    const atMs = this.shaper.nextWakeAtMs() ?? Number.POSITIVE_INFINITY;
    if (!this.alive || atMs >= this.#timerAtMs) return;
    this.#timerAtMs = atMs;
    this.agenda.at(Math.max(atMs, this.agenda.nowMs) + this.#latenessMs(), (nowMs) => {
      if (this.#timerAtMs !== atMs || !this.alive) return;
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.shaper.advance(nowMs);
      this.arm();
    });
  }
}

class SimulatedLane implements Waiter {
  readonly priority: number;
  readonly #pod: SimulatedPod;
  readonly #load: LaneLoad;
  since: number;
  #grant: ConnectionGrant | undefined;
  #carried = 0;
  #connection = 0;
  #connectedAtMs = 0;
  #nextRecipients: number;
  sent = 0;
  longestWaitMs = 0;
  /** Since when it waits; `undefined` = it does not. */
  waitingSinceMs: number | undefined;

  constructor(pod: SimulatedPod, load: LaneLoad) {
    this.#pod = pod;
    this.#load = load;
    this.priority = load.priority;
    this.since = load.fromMs;
    this.#nextRecipients = load.recipients();
  }

  wake(nowMs: number): void {
    if (this.#grant === undefined) this.connect(nowMs);
    else this.carry(nowMs);
  }

  connect(nowMs: number): void {
    if (!this.#pod.alive || this.#grant !== undefined) return;
    const mailAtMs = this.#nextMailMs(nowMs);
    if (mailAtMs > nowMs) {
      this.#served(nowMs);
      this.#pod.shaper.cancel(this);
      this.#pod.arm();
      if (mailAtMs !== Number.POSITIVE_INFINITY)
        this.#pod.agenda.at(mailAtMs, (laterMs) => this.connect(laterMs));
      return;
    }
    const result = this.#pod.shaper.takeConnection(this.#load.keys, this, nowMs);
    if (result.granted) {
      this.#served(nowMs);
      this.#grant = result;
      this.#carried = 0;
      this.#connection++;
      this.#connectedAtMs = nowMs;
      this.yieldLater();
      for (const watch of this.#load.watches) watch.connect(nowMs);
      this.carry(nowMs);
    } else {
      this.waitingSinceMs ??= nowMs;
    }
    this.#pod.arm();
  }

  carry(nowMs: number): void {
    if (!this.#pod.alive || this.#grant === undefined) return;
    const spent = this.#carried >= this.#load.messagesPerConnection || this.#mustYield(nowMs);
    if (spent || this.#nextMailMs(nowMs) > nowMs) {
      this.#leave(nowMs);
      return;
    }
    const recipients = this.#nextRecipients;
    const cost = { recipients, sizeBytes: recipients * 100 };
    const result = this.#pod.shaper.takeTransaction(this.#load.keys, cost, this, nowMs);
    if (result.granted) {
      this.#served(nowMs);
      for (const watch of this.#load.watches) {
        for (const name of TRANSACTION_RATES) {
          watch.spend(
            name,
            name === 'messageRate' ? 1 : name === 'byteRate' ? cost.sizeBytes : recipients,
            nowMs,
          );
        }
      }
      this.sent += recipients;
      this.#carried++;
      this.since = nowMs;
      this.#nextRecipients = this.#load.recipients();
      const connection = this.#connection;
      this.#pod.agenda.at(nowMs + this.#load.transactionMs(), (laterMs) => {
        if (connection === this.#connection) this.carry(laterMs);
      });
    } else {
      this.waitingSinceMs ??= nowMs;
    }
    this.#pod.arm();
  }

  /** If its slot is wanted: leaves when its quantum is over and it waits for a token. */
  yieldLater(): void {
    if (this.#grant === undefined || !this.#isWanted()) return;
    const connection = this.#connection;
    this.#pod.agenda.at(this.#connectedAtMs + QUANTUM_MS, (nowMs) => {
      if (connection === this.#connection && this.waitingSinceMs !== undefined) this.carry(nowMs);
    });
  }

  /** Now, or when it has mail again; Infinity = never. */
  #nextMailMs(nowMs: number): number {
    const { fromMs, untilMs, spells } = this.#load;
    if (nowMs >= untilMs) return Number.POSITIVE_INFINITY;
    if (spells === undefined) return nowMs;
    const inSpellMs = (nowMs - fromMs) % spells.everyMs;
    return inSpellMs < spells.forMs ? nowMs : nowMs - inSpellMs + spells.everyMs;
  }

  #isWanted(): boolean {
    return this.#load.keys.keys.some(({ id }) => this.#pod.wanted.has(id));
  }

  #mustYield(nowMs: number): boolean {
    return nowMs >= this.#connectedAtMs + QUANTUM_MS && this.#isWanted();
  }

  fenced(): void {
    if (this.#grant === undefined) return;
    this.#grant = undefined;
    this.#connection++;
    for (const watch of this.#load.watches) watch.disconnect();
  }

  #served(nowMs: number): void {
    if (this.waitingSinceMs === undefined) return;
    this.longestWaitMs = Math.max(this.longestWaitMs, nowMs - this.waitingSinceMs);
    this.waitingSinceMs = undefined;
  }

  #leave(nowMs: number): void {
    if (this.#grant === undefined) return;
    this.waitingSinceMs = undefined;
    this.#pod.shaper.cancel(this);
    for (const watch of this.#load.watches) watch.disconnect();
    this.#pod.shaper.release(this.#grant, nowMs);
    this.#grant = undefined;
    this.connect(nowMs);
    this.#pod.arm();
  }
}
