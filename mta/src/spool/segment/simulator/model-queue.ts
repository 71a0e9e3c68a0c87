import type { GroupState } from '../../recipient-group.ts';
import type { Place } from '../place.ts';
import type { SegmentOwner } from '../segment-owner.ts';
import type { SimulatedPod } from './pod.ts';

/** Transactions that a segment of a simulated pod has open at a time. */
const MAX_OPEN = 4;
/** What is unsent after so long is put aside to DEFER. */
const MOVE_AFTER_MS = 8_000;

/** A message that ends its process does so at the start of its transaction, or in the middle of it. */
const POISON_WORKS_AFTER_MS = [0, 0, 20, 300];

interface Item {
  readonly handle: Place;
  readonly group: number;
  attempts: number;
  dueAtMs: number;
  readonly sinceMs: number;
  isOpen: boolean;
}

/** A dispatcher that sends messages of one segment to a model of a mail exchanger. */
export class ModelQueue {
  readonly #pod: SimulatedPod;
  readonly #segment: number;
  readonly ownerName: string;
  readonly #owner: SegmentOwner;
  readonly #items = new Map<string, Item>();
  readonly #moved = new Set<string>();
  #open = 0;
  /** Sockets are destroyed: nothing that was open ends in any way. */
  #stopped = false;

  constructor(pod: SimulatedPod, segment: number, owner: SegmentOwner, ownerName: string) {
    this.#pod = pod;
    this.#segment = segment;
    this.ownerName = ownerName;
    this.#owner = owner;
  }

  add(
    handle: Place,
    groups: readonly number[],
    states: ReadonlyMap<number, GroupState | undefined> = new Map(),
  ): void {
    const { nowMs } = this.#pod.cluster;
    for (const group of groups) {
      const state = states.get(group);
      this.#items.set(keyOf(handle, group), {
        handle,
        group,
        attempts: state?.attempts ?? 0,
        dueAtMs: state?.nextAttemptAtMs ?? nowMs,
        sinceMs: nowMs,
        isOpen: false,
      });
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#items.clear();
  }

  work(): void {
    const { nowMs, random } = this.#pod.cluster;
    if (this.#stopped || !this.#owner.isOwned || this.#pod.standing !== 'valid') return;
    for (const item of [...this.#items.values()]) {
      if (item.isOpen) continue;
      if (nowMs - item.sinceMs > MOVE_AFTER_MS && !this.#moved.has(item.handle.id)) {
        // What lies in DEFER is copied again now and then: its holes are closed by generations.
        if (item.handle.store === 'spool' || random.chance(0.05)) {
          for (const command of this.#owner.move(item.handle, nowMs))
            this.#pod.perform(this.#segment, command);
        }
        this.#moved.add(item.handle.id);
      }
      if (item.dueAtMs > nowMs || this.#open >= MAX_OPEN) continue;
      if (this.#owner.unjournalled > this.#pod.settings.maxUnjournalled) return;
      this.#start(item);
    }
  }

  /** The copy failed: it is tried again later. */
  notMoved(id: string): void {
    this.#moved.delete(id);
  }

  /** The `inflight` of a suspected message is durable. */
  started(handle: Place, group: number): void {
    const item = this.#items.get(keyOf(handle, group));
    if (item !== undefined && !this.#stopped) this.#transact(item);
  }

  #start(item: Item): void {
    const answer = this.#owner.start(item.handle, item.group);
    if (answer === 'no') {
      this.#items.delete(keyOf(item.handle, item.group));
      return;
    }
    if (answer === 'busy') return;
    item.isOpen = true;
    this.#open++;
    if (answer === 'go') this.#transact(item);
  }

  #transact(item: Item): void {
    const { cluster } = this.#pod;
    const { random, agenda, judge } = cluster;
    const startedAtMs = cluster.nowMs;
    const { ownerName } = this;
    judge.starts(this.#owner.whereIs(item.handle) ?? item.handle);
    if (cluster.poison.has(item.handle.id)) {
      // At once, so that nothing that is told after the start is told; or a while later.
      agenda.after(random.pick(POISON_WORKS_AFTER_MS) ?? 0, () => {
        if (this.#stopped) return;
        judge.poisoned(item.handle.id);
        this.#pod.kill();
      });
      return;
    }
    const fate = random.next();
    const acceptAfterMs = random.chance(0.03) ? random.between(5_000, 40_000) : random.between(20, 600);
    const isDelivered = fate < 0.8;
    agenda.after(acceptAfterMs, () => {
      // The exchanger has the whole message: what becomes of the client does not matter any more.
      if (this.#stopped) return;
      if (isDelivered) judge.accepted(item.handle.id, item.group, ownerName, startedAtMs);
      agenda.after(random.between(1, 100), () => {
        this.#pod.run(() => {
          if (!this.#stopped) this.#ended(item, fate);
        });
      });
    });
  }

  #ended(item: Item, fate: number): void {
    const { nowMs, random } = this.#pod.cluster;
    const { handle, group } = item;
    // A process that was stopped for too long destroys its sockets before it looks at what they say.
    if (this.#pod.standing === 'over') return;
    this.#open--;
    item.isOpen = false;
    item.attempts++;
    if (fate < 0.85) {
      this.#owner.record(handle, { kind: 'done', place: handle, group });
      this.#items.delete(keyOf(handle, group));
      return;
    }
    item.dueAtMs = nowMs + random.between(2_000, 15_000);
    const state: GroupState = {
      pending: [0],
      attempts: item.attempts,
      nextAttemptAtMs: item.dueAtMs,
      lastSource: '',
    };
    this.#owner.record(handle, { kind: 'deferred', place: handle, group, state });
  }
}

function keyOf({ store, sequence, id }: Place, group: number): string {
  return `${store} ${sequence} ${id} ${group}`;
}
