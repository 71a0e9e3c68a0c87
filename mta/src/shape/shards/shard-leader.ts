import { Allocator, type AllocatorKey } from '../allocator.ts';
import { isSlow, ratePerMs } from '../burst.ts';
import type { AllocatorEffect, ClientId } from '../effect.ts';
import { HitCounter } from '../hit-counter.ts';
import { SETTLE_MS } from '../hit-counting.ts';
import type { KeyView } from '../key-view.ts';
import { boundsInForce, type RateName } from '../limit-key.ts';
import { Conversation, UNREACHABLE_AFTER_MS } from './conversation.ts';
import type { HitOperation } from './pending-hits.ts';
import type { FromLeader, ShardEffect, ShardOperation, ToLeader } from './shard-message.ts';

/** Grants of a term have numbers of their own: a release of an older term's grant can never hit another one. */
const GRANTS_PER_TERM = 2 ** 32;

/** A leader answers at once. */
const LEADER_TICK_MS = 0;

/** Triggers that one shard counts hits of at a time. */
const MAX_COUNTED_KEYS_OF_SHARD = 2_000;

/** What is left of a slow rate, as it is written down. */
export interface StoredLevel {
  /** Tokens; of a turn that is out, as if it were spent. */
  readonly level: number;
  /** A turn is out: when it is spent nobody knows, so that until then nothing comes back. */
  readonly out: boolean;
}

/** What a leader reads, or writes down before anybody learns of it. */
export type LevelRecord = { readonly keyId: string; readonly rate: RateName } & (
  | { readonly type: 'load' }
  | ({ readonly type: 'save' } & StoredLevel)
);

interface OpenDemand {
  readonly operation: Extract<ShardOperation, { type: 'demandSlots' }>;
  readonly sinceMs: number;
}

interface Client {
  readonly session: ClientId;
  readonly conversation: Conversation<ShardEffect, ShardOperation>;
  readonly keys: Map<number, AllocatorKey>;
  readonly numbers: Map<string, number>;
  readonly held: ShardOperation[];
  /** Hits that were counted and are not answered yet. */
  counted: { upTo: number; readonly wentOff: number[] } | undefined;
  registered: boolean;
  /** Demands for slots that are not served. */
  readonly demands: Map<number, OpenDemand>;
  /** Slots that were granted and may not have left yet, and what they were for. */
  readonly given: Map<Extract<ShardEffect, { type: 'slots' }>, OpenDemand>;
  /** It does not acknowledge: its demands stand in no line, because slots that it gets would serve nobody. */
  unreachable: boolean;
}

interface SlowRate {
  known: boolean;
  /** Demands that wait until it is known what is left. */
  readonly waiting: { readonly client: Client; readonly operation: ShardOperation }[];
  /** Effects that wait until the turn is written down. */
  readonly unsaved: AllocatorEffect[];
  /** So many are being written. */
  saving: number;
}

/**
 * The leader of one shard for one term: an allocator and a conversation with each session. Pure.
 *
 * It grants only after every session that lived when the term began has told what it holds, or is dead: what a former leader gave out is
 * then known. A session is taken out only when it is surely fenced ({@link clientDied}); until then what it holds counts.
 */
export class ShardLeader {
  readonly shard: number;
  readonly term: number;
  readonly #allocator: Allocator;
  readonly #clients = new Map<ClientId, Client>();
  readonly #slow = new Map<string, SlowRate>();
  /** Sessions that have not told yet; `undefined` = not known yet who lives. */
  #missing: Set<ClientId> | undefined;
  /** What came after a registration, while others are missing. */
  #waiting: { readonly client: Client; readonly operation: ShardOperation }[] = [];
  #granting = false;
  #records: LevelRecord[] = [];
  readonly #talking = new Set<Client>();
  readonly #hits = new HitCounter({ maxKeys: MAX_COUNTED_KEYS_OF_SHARD, settleMs: SETTLE_MS });

  /** `first`: nobody ever led this shard. */
  readonly #first: boolean;

  constructor(shard: number, term: number, first: boolean) {
    this.shard = shard;
    this.term = term;
    this.#first = first;
    this.#allocator = new Allocator({ grantsAfter: term * GRANTS_PER_TERM });
  }

  get granting(): boolean {
    return this.#granting;
  }

  /** Keys that are not at rest. */
  get size(): number {
    return this.#allocator.size;
  }

  inspect(keyId: string): { readonly connections: number; readonly waiting: number } | undefined {
    return this.#allocator.inspect(keyId);
  }

  /** All that is known of a key; `undefined` = it is at rest. */
  look(keyId: string, nowMs: number): KeyView | undefined {
    return this.#allocator.look(keyId, nowMs);
  }

  /** Sessions that live, read after this term had begun: all that can hold something of a former one. */
  expect(sessions: readonly ClientId[], nowMs: number): void {
    if (this.#missing !== undefined) return;
    this.#missing = new Set(sessions.filter((session) => this.#clients.get(session)?.registered !== true));
    this.#beginIfComplete(nowMs);
  }

  /** Who is still missing; for the log. */
  get missing(): readonly ClientId[] {
    return [...(this.#missing ?? [])];
  }

  /** A message of a session that lives. */
  receive({ session, ...batch }: ToLeader, nowMs: number): void {
    const client = this.#client(session);
    this.#talking.add(client);
    const operations = client.conversation.receive(batch, nowMs);
    if (client.unreachable && !isSilent(client, nowMs)) this.#reachable(client, nowMs);
    for (const operation of operations) this.#take(client, operation, nowMs);
    if (client.counted !== undefined) client.conversation.say({ type: 'counted', ...client.counted });
    client.counted = undefined;
    this.#pass();
  }

  /** The session is dead by observation, or has ended: whatever it held is held no longer. */
  clientDied(session: ClientId, nowMs: number): void {
    const client = this.#clients.get(session);
    this.#clients.delete(session);
    this.#missing?.delete(session);
    if (client !== undefined) {
      this.#talking.delete(client);
      this.#waiting = this.#waiting.filter((each) => each.client !== client);
      if (this.#granting) this.#allocator.removeClient(session, nowMs);
    }
    this.#beginIfComplete(nowMs);
    this.#pass();
  }

  advance(nowMs: number): void {
    if (!this.#granting) return;
    this.#allocator.advance(nowMs);
    for (const client of this.#talking)
      if (!client.unreachable && isSilent(client, nowMs)) this.#unreachable(client, nowMs);
    this.#pass();
  }

  nextAtMs(): number {
    let atMs = this.#granting
      ? (this.#allocator.nextAtMs() ?? Number.POSITIVE_INFINITY)
      : Number.POSITIVE_INFINITY;
    for (const { conversation } of this.#talking) atMs = Math.min(atMs, conversation.nextAtMs());
    return atMs;
  }

  /** Messages that must leave now. */
  next(nowMs: number): FromLeader[] {
    const messages: FromLeader[] = [];
    const { shard, term } = this;
    for (const client of this.#talking) {
      const { session, conversation } = client;
      const batch = conversation.next(nowMs);
      if (client.given.size > 0 && conversation.settledCarefully) client.given.clear();
      if (batch !== undefined) messages.push({ ...batch, shard, term, session });
      if (conversation.settled) this.#talking.delete(client);
    }
    return messages;
  }

  /** Levels to read and to write. */
  records(): readonly LevelRecord[] {
    if (this.#records.length === 0) return NO_RECORDS;
    const records = this.#records;
    this.#records = [];
    return records;
  }

  /** What stands written of a slow rate and since when; `undefined` = nobody ever spent any. */
  loaded(
    keyId: string,
    rate: RateName,
    stored: (StoredLevel & { readonly elapsedMs: number }) | undefined,
    nowMs: number,
  ): void {
    const slow = this.#slow.get(`${keyId}\n${rate}`);
    if (slow === undefined || slow.known) return;
    slow.known = true;
    const waiting = slow.waiting.splice(0);
    const key = waiting
      .map(({ client }) => client.keys.get(client.numbers.get(keyId) ?? 0))
      .find((each) => each !== undefined);
    const bound = key?.bounds[rate];
    if (key !== undefined && bound !== undefined && stored !== undefined) {
      const cameBack = stored.out ? 0 : Math.max(0, stored.elapsedMs) * ratePerMs(bound);
      this.#allocator.setLevel(key, rate, stored.level + cameBack, nowMs);
    }
    for (const { client, operation } of waiting)
      if (this.#clients.get(client.session) === client) this.#do(client, operation, nowMs);
    this.#pass();
  }

  /** The turn is written down: whom it was given to may know. */
  saved(keyId: string, rate: RateName): void {
    const slow = this.#slow.get(`${keyId}\n${rate}`);
    if (slow === undefined) return;
    slow.saving--;
    if (slow.saving > 0) return;
    for (const effect of slow.unsaved.splice(0)) this.#send(effect);
    this.#pass();
  }

  #take(client: Client, operation: ShardOperation, nowMs: number): void {
    switch (operation.type) {
      case 'key': {
        const { id, broad, bounds, generation } = operation;
        const key = { id, broad, bounds, generation };
        client.keys.set(operation.key, key);
        client.numbers.set(id, operation.key);
        if (this.#granting) this.#allocator.bind(key, nowMs);
        return;
      }
      case 'forget': {
        const key = client.keys.get(operation.key);
        client.keys.delete(operation.key);
        if (key !== undefined) client.numbers.delete(key.id);
        return;
      }
      case 'holdSlots':
      case 'holdRate':
      case 'debt':
        if (!client.registered) client.held.push(operation);
        return;
      case 'hit':
        // Whoever holds what: hits are counted from the first moment of a term.
        this.#count(client, operation, nowMs);
        return;
      case 'registered':
        client.registered = true;
        if (this.#granting) {
          // A session that is younger than the term: it holds nothing.
          client.conversation.say({ type: 'granting' });
          return;
        }
        this.#missing?.delete(client.session);
        this.#beginIfComplete(nowMs);
        return;
      default:
        if (this.#granting) this.#do(client, operation, nowMs);
        else this.#waiting.push({ client, operation });
    }
  }

  #count(client: Client, { hit, key, agoMs, ...trigger }: HitOperation, nowMs: number): void {
    client.counted ??= { upTo: 0, wentOff: [] };
    client.counted.upTo = hit;
    if (this.#hits.hit(key, trigger, nowMs - agoMs)) client.counted.wentOff.push(hit);
  }

  #beginIfComplete(nowMs: number): void {
    if (this.#granting || this.#missing === undefined || this.#missing.size > 0) return;
    this.#granting = true;
    const newest = this.#newestKeys();
    let restored = false;
    for (const client of this.#clients.values()) {
      restored ||= client.held.length > 0;
      for (const operation of client.held) this.#restore(client, operation, newest, nowMs);
      client.held.length = 0;
    }
    if (!this.#first || restored) this.#allocator.begin(nowMs);
    for (const client of this.#clients.values()) {
      if (!client.registered) continue;
      client.conversation.say({ type: 'granting' });
      this.#talking.add(client);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { client, operation } of waiting) this.#do(client, operation, nowMs);
  }

  /** Bounds as the newest configuration has them: restored parts are cut by the same measure. */
  #newestKeys(): Map<string, AllocatorKey> {
    const newest = new Map<string, AllocatorKey>();
    for (const { keys } of this.#clients.values()) {
      for (const key of keys.values()) {
        const known = newest.get(key.id);
        newest.set(key.id, known === undefined ? key : { ...key, ...boundsInForce(known, key) });
      }
    }
    return newest;
  }

  #restore(
    { session, keys }: Client,
    operation: ShardOperation,
    newest: ReadonlyMap<string, AllocatorKey>,
    nowMs: number,
  ): void {
    const find = (number: number): AllocatorKey | undefined => newest.get(keys.get(number)?.id ?? '');
    if (operation.type === 'holdSlots') {
      const held = operation.keys.map(find).filter((key) => key !== undefined);
      this.#allocator.restoreSlots(session, operation.grant, held, nowMs);
    } else if (operation.type === 'holdRate') {
      const key = find(operation.key);
      if (key === undefined) return;
      this.#allocator.restoreRate(session, key, operation.rate, operation, nowMs);
      // What is left comes back with the turn that is out.
      if (operation.once) this.#slowRate(key.id, operation.rate).known = true;
    } else if (operation.type === 'debt') {
      const key = find(operation.key);
      if (key !== undefined) this.#allocator.restoreDebt(key, operation.rate, operation.level, nowMs);
    }
  }

  #do(client: Client, operation: ShardOperation, nowMs: number): void {
    const { session, keys } = client;
    switch (operation.type) {
      case 'demandSlots': {
        const open = { operation, sinceMs: nowMs - operation.waitedMs };
        client.demands.set(operation.demand, open);
        if (!client.unreachable) this.#demandSlots(client, open, nowMs);
        return;
      }
      case 'cancelSlots':
        client.demands.delete(operation.demand);
        this.#allocator.cancelSlots(session, operation.demand, nowMs);
        return;
      case 'releaseSlots':
        this.#allocator.releaseSlots(session, operation.grant, nowMs);
        return;
      case 'demandRate': {
        const key = keys.get(operation.key);
        if (key === undefined || this.#waitsForLevel(client, key, operation)) return;
        this.#allocator.demandRate(session, key, operation.rate, operation, nowMs);
        return;
      }
      case 'giveBack': {
        const key = keys.get(operation.key);
        if (key === undefined) return;
        const { rate, level } = operation;
        if (isSlowRate(key, rate)) {
          this.#slowRate(key.id, rate).saving++;
          this.#records.push({ type: 'save', keyId: key.id, rate, level, out: false });
        }
        this.#allocator.giveBack(session, key.id, rate, operation, nowMs);
        return;
      }
    }
  }

  #demandSlots({ session, keys }: Client, { operation, sinceMs }: OpenDemand, nowMs: number): void {
    const { demand, priority } = operation;
    const wanted = operation.keys.map((number) => keys.get(number)).filter((key) => key !== undefined);
    this.#allocator.demandSlots(session, demand, wanted, { priority, waitedMs: nowMs - sinceMs }, nowMs);
  }

  /** Slots that it was given and that have not left go to others, and its demands wait outside until it is heard again. */
  #unreachable(client: Client, nowMs: number): void {
    client.unreachable = true;
    for (const demand of client.demands.keys()) this.#allocator.cancelSlots(client.session, demand, nowMs);
    for (const [given, open] of client.given) {
      if (!client.conversation.unsay(given)) continue;
      client.demands.set(given.demand, open);
      this.#allocator.releaseSlots(client.session, given.grant, nowMs);
    }
    client.given.clear();
  }

  #reachable(client: Client, nowMs: number): void {
    client.unreachable = false;
    for (const open of client.demands.values()) this.#demandSlots(client, open, nowMs);
  }

  /** Nobody gets anything of a slow rate before it is known what a former leader left of it. */
  #waitsForLevel(
    client: Client,
    key: AllocatorKey,
    operation: Extract<ShardOperation, { type: 'demandRate' }>,
  ): boolean {
    const { rate } = operation;
    if (!isSlowRate(key, rate)) return false;
    const slow = this.#slowRate(key.id, rate);
    if (slow.known) return false;
    if (slow.waiting.length === 0) this.#records.push({ type: 'load', keyId: key.id, rate });
    slow.waiting.push({ client, operation });
    return true;
  }

  #slowRate(keyId: string, rate: RateName): SlowRate {
    const id = `${keyId}\n${rate}`;
    const known = this.#slow.get(id);
    if (known !== undefined) return known;
    const slow: SlowRate = { known: false, waiting: [], unsaved: [], saving: 0 };
    this.#slow.set(id, slow);
    return slow;
  }

  /** Passes on what the allocator has decided. */
  #pass(): void {
    if (!this.#granting) return;
    for (const effect of this.#allocator.drain()) {
      if ('rate' in effect && this.#slow.size > 0 && this.#holdsBack(effect)) continue;
      this.#send(effect);
    }
  }

  /** A turn of a slow rate is written down first; what is said of this rate meanwhile stays behind it. */
  #holdsBack(effect: Extract<AllocatorEffect, { rate: RateName }>): boolean {
    const { keyId, rate } = effect;
    const slow = this.#slow.get(`${keyId}\n${rate}`);
    if (slow === undefined) return false;
    if (effect.type === 'lease' && effect.once) {
      slow.saving++;
      const level = effect.level - effect.largestCost;
      this.#records.push({ type: 'save', keyId, rate, level, out: true });
    }
    if (slow.saving > 0) slow.unsaved.push(effect);
    return slow.saving > 0;
  }

  #send(effect: AllocatorEffect): void {
    const client = this.#clients.get(effect.client);
    if (client === undefined || effect.type === 'lost') return;
    this.#talking.add(client);
    if (effect.type === 'slots') {
      const given = { type: 'slots', demand: effect.demand, grant: effect.grant } as const;
      const open = client.demands.get(effect.demand);
      client.demands.delete(effect.demand);
      if (open !== undefined) client.given.set(given, open);
      client.conversation.sayCarefully(given);
      return;
    }
    const key = client.numbers.get(effect.keyId);
    if (key === undefined) return;
    switch (effect.type) {
      case 'queued':
        client.conversation.say({ type: 'queued', demand: effect.demand, key });
        return;
      case 'slotWanted':
        client.conversation.say({ type: 'slotWanted', key, waiting: effect.waiting });
        return;
      case 'slotServed':
        client.conversation.say({ type: 'slotServed', key });
        return;
      default: {
        const { client: _, keyId: __, ...rest } = effect;
        client.conversation.say({ ...rest, key });
      }
    }
  }

  #client(session: ClientId): Client {
    const known = this.#clients.get(session);
    if (known !== undefined) return known;
    const client: Client = {
      session,
      conversation: new Conversation(LEADER_TICK_MS),
      keys: new Map(),
      numbers: new Map(),
      held: [],
      counted: undefined,
      registered: false,
      demands: new Map(),
      given: new Map(),
      unreachable: false,
    };
    this.#clients.set(session, client);
    return client;
  }
}

/** It has not acknowledged for so long that it counts as unreachable. */
function isSilent({ conversation }: Client, nowMs: number): boolean {
  return conversation.unansweredMs(nowMs) >= UNREACHABLE_AFTER_MS;
}

const NO_RECORDS: readonly LevelRecord[] = [];

function isSlowRate({ bounds }: AllocatorKey, name: RateName): boolean {
  const rate = bounds[name];
  return rate !== undefined && isSlow(ratePerMs(rate));
}
