import type { ConnectionGrant, Shaper, Waiter } from '../contract.ts';
import type { KeySet } from '../limit-key.ts';
import { TRANSACTION_RATES } from '../limit-key.ts';
import type { Agenda } from './agenda.ts';
import type { LimitWatch } from './limit-watch.ts';

/** What a lane of a simulated pod does: connect, carry some messages, leave, again and again while it has mail. */
export interface LaneLoad {
  readonly keys: KeySet;
  readonly watches: readonly LimitWatch[];
  readonly priority: number;
  /** Recipients of its next message. */
  readonly recipients: () => number;
  readonly messagesPerConnection: number;
  /** How long a message takes. */
  readonly transactionMs: () => number;
  /** From when until when it has mail. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/** A pod: the real shaper, driven by a timer that is late as timers are. */
export class SimulatedPod {
  readonly shaper: Shaper;
  readonly lanes: SimulatedLane[] = [];
  readonly agenda: Agenda;
  readonly #latenessMs: () => number;
  #timerAtMs = Number.POSITIVE_INFINITY;
  alive = true;

  constructor(shaper: Shaper, agenda: Agenda, latenessMs: () => number) {
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
    if (nowMs >= this.#load.untilMs) {
      this.waitingSinceMs = undefined;
      this.#pod.shaper.cancel(this);
      this.#pod.arm();
      return;
    }
    const result = this.#pod.shaper.takeConnection(this.#load.keys, this, nowMs);
    if (result.granted) {
      this.#served(nowMs);
      this.#grant = result;
      this.#carried = 0;
      for (const watch of this.#load.watches) watch.connect(nowMs);
      this.carry(nowMs);
    } else {
      this.waitingSinceMs ??= nowMs;
    }
    this.#pod.arm();
  }

  carry(nowMs: number): void {
    if (!this.#pod.alive || this.#grant === undefined) return;
    if (nowMs >= this.#load.untilMs || this.#carried >= this.#load.messagesPerConnection) {
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
      this.#pod.agenda.at(nowMs + this.#load.transactionMs(), (laterMs) => this.carry(laterMs));
    } else {
      this.waitingSinceMs ??= nowMs;
    }
    this.#pod.arm();
  }

  fenced(): void {
    if (this.#grant === undefined) return;
    this.#grant = undefined;
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
