import type { Bounds } from '@sluice/crds';
import { RATE_NAMES, type RateName } from '../limit-key.ts';
import type { LeaderEntry } from '../shards/leadership.ts';
import type { LevelEntry } from '../shards/level-ledger.ts';
import type { Renewal } from '../shards/session-keeper.ts';
import type { FromLeader, ShardEffect, ShardOperation, ToLeader } from '../shards/shard-message.ts';

/**
 * Messages on NATS: JSON arrays, because one travels per shard and tick. The first member of each is the form; a reader that does not know it
 * takes nothing.
 */
const FORM = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

type Plain = number | string | boolean | null | Bounds | readonly Plain[];

export function encodeToLeader({ shard, term, session, number, ack, items }: ToLeader): Uint8Array {
  return encode([FORM, shard, term, session, number, ack, items.map(operationTuple)]);
}

export function encodeFromLeader({ shard, term, session, number, ack, items }: FromLeader): Uint8Array {
  return encode([FORM, shard, term, session, number, ack, items.map(effectTuple)]);
}

/** `undefined` = nothing that this version can read. */
export function decodeToLeader(data: Uint8Array): ToLeader | undefined {
  return decodeMessage(data, operationOf);
}

export function decodeFromLeader(data: Uint8Array): FromLeader | undefined {
  return decodeMessage(data, effectOf);
}

export function encodeLeaderEntry({ session, term }: LeaderEntry): Uint8Array {
  return encode([FORM, session ?? null, term]);
}

export function decodeLeaderEntry(data: Uint8Array): LeaderEntry | undefined {
  return decoded(data, (read) => {
    const session = read.next();
    return { session: session === null ? undefined : text(session), term: read.number() };
  });
}

export function encodeRenewal({ renewals }: Renewal): Uint8Array {
  return encode([FORM, renewals]);
}

export function decodeRenewal(session: string, data: Uint8Array): Renewal | undefined {
  return decoded(data, (read) => ({ session, renewals: read.number() }));
}

export function encodeLevel(name: string, { level, out, term }: LevelEntry): Uint8Array {
  return encode([FORM, level, out, term, name]);
}

export function decodeLevel(data: Uint8Array): LevelEntry | undefined {
  return decoded(data, (read) => ({ level: read.number(), out: read.next() === true, term: read.number() }));
}

function operationTuple(operation: ShardOperation): readonly Plain[] {
  switch (operation.type) {
    case 'key': {
      const { key, id, broad, bounds, generation } = operation;
      return ['k', key, id, broad, bounds, generation ?? null];
    }
    case 'forget':
      return ['f', operation.key];
    case 'holdSlots':
      return ['S', operation.grant, operation.keys];
    case 'holdRate': {
      const { key, rate, ratePerMs, capacity, largestCost, once } = operation;
      return ['R', key, RATE_NAMES.indexOf(rate), ratePerMs, capacity, largestCost, once];
    }
    case 'debt':
      return ['D', operation.key, RATE_NAMES.indexOf(operation.rate), operation.level];
    case 'registered':
      return ['!'];
    case 'demandSlots':
      return ['s', operation.demand, operation.keys, operation.priority, operation.waitedMs];
    case 'cancelSlots':
      return ['c', operation.demand];
    case 'releaseSlots':
      return ['r', operation.grant];
    case 'demandRate': {
      const { key, rate, cost, units, priority, waitedMs } = operation;
      return ['w', key, RATE_NAMES.indexOf(rate), cost, units, priority, waitedMs];
    }
    case 'giveBack': {
      const { key, rate, ratePerMs, capacity, level } = operation;
      return ['g', key, RATE_NAMES.indexOf(rate), ratePerMs, capacity, level];
    }
    case 'hit': {
      const { hit, key, count, withinMs, agoMs } = operation;
      return ['h', hit, key, count, withinMs, agoMs];
    }
  }
}

function operationOf(read: Reader): ShardOperation {
  const form = read.next();
  switch (form) {
    case 'k': {
      const [key, id, broad] = [read.number(), text(read.next()), read.next() === true];
      const bounds = boundsOf(read.next());
      const generation = read.next();
      return {
        type: 'key',
        key,
        id,
        broad,
        bounds,
        generation: generation === null ? undefined : numeric(generation),
      };
    }
    case 'f':
      return { type: 'forget', key: read.number() };
    case 'S':
      return { type: 'holdSlots', grant: read.number(), keys: read.numbers() };
    case 'R': {
      const [key, rate] = [read.number(), read.rate()];
      const [ratePerMs, capacity, largestCost] = [read.number(), read.number(), read.number()];
      return { type: 'holdRate', key, rate, ratePerMs, capacity, largestCost, once: read.next() === true };
    }
    case 'D':
      return { type: 'debt', key: read.number(), rate: read.rate(), level: read.number() };
    case '!':
      return { type: 'registered' };
    case 's': {
      const [demand, keys] = [read.number(), read.numbers()];
      return { type: 'demandSlots', demand, keys, priority: read.number(), waitedMs: read.number() };
    }
    case 'c':
      return { type: 'cancelSlots', demand: read.number() };
    case 'r':
      return { type: 'releaseSlots', grant: read.number() };
    case 'w': {
      const [key, rate, cost, units] = [read.number(), read.rate(), read.number(), read.number()];
      return { type: 'demandRate', key, rate, cost, units, priority: read.number(), waitedMs: read.number() };
    }
    case 'g': {
      const [key, rate, ratePerMs] = [read.number(), read.rate(), read.number()];
      return { type: 'giveBack', key, rate, ratePerMs, capacity: read.number(), level: read.number() };
    }
    case 'h': {
      const [hit, key, count] = [read.number(), text(read.next()), read.number()];
      return { type: 'hit', hit, key, count, withinMs: read.number(), agoMs: read.number() };
    }
    default:
      throw new TypeError(`unknown operation ${String(form)}`);
  }
}

function effectTuple(effect: ShardEffect): readonly Plain[] {
  switch (effect.type) {
    case 'granting':
      return ['!'];
    case 'slots':
      return ['s', effect.demand, effect.grant];
    case 'queued':
      return ['q', effect.demand, effect.key];
    case 'lease': {
      const { key, rate, ratePerMs, capacity, level, once, burst, largestCost } = effect;
      return ['l', key, RATE_NAMES.indexOf(rate), ratePerMs, capacity, level, once, burst, largestCost];
    }
    case 'recall': {
      const { key, rate, ratePerMs, capacity, burst } = effect;
      return ['b', key, RATE_NAMES.indexOf(rate), ratePerMs, capacity, burst];
    }
    case 'ask':
      return ['a', effect.key, RATE_NAMES.indexOf(effect.rate)];
    case 'turn':
      return ['t', effect.key, RATE_NAMES.indexOf(effect.rate), effect.inMs];
    case 'slotWanted':
      return ['w', effect.key, effect.waiting];
    case 'slotServed':
      return ['n', effect.key];
    case 'counted':
      return ['h', effect.upTo, effect.wentOff];
  }
}

function effectOf(read: Reader): ShardEffect {
  const form = read.next();
  switch (form) {
    case '!':
      return { type: 'granting' };
    case 's':
      return { type: 'slots', demand: read.number(), grant: read.number() };
    case 'q':
      return { type: 'queued', demand: read.number(), key: read.number() };
    case 'l': {
      const [key, rate, ratePerMs] = [read.number(), read.rate(), read.number()];
      const [capacity, level, once] = [read.number(), read.number(), read.next() === true];
      const [burst, largestCost] = [read.number(), read.number()];
      return { type: 'lease', key, rate, ratePerMs, capacity, level, once, burst, largestCost };
    }
    case 'b': {
      const [key, rate, ratePerMs] = [read.number(), read.rate(), read.number()];
      return { type: 'recall', key, rate, ratePerMs, capacity: read.number(), burst: read.number() };
    }
    case 'a':
      return { type: 'ask', key: read.number(), rate: read.rate() };
    case 't':
      return { type: 'turn', key: read.number(), rate: read.rate(), inMs: read.number() };
    case 'w':
      return { type: 'slotWanted', key: read.number(), waiting: read.number() };
    case 'n':
      return { type: 'slotServed', key: read.number() };
    case 'h':
      return { type: 'counted', upTo: read.number(), wentOff: read.numbers() };
    default:
      throw new TypeError(`unknown effect ${String(form)}`);
  }
}

function decodeMessage<Item>(
  data: Uint8Array,
  itemOf: (read: Reader) => Item,
): (Omit<ToLeader, 'items'> & { readonly items: readonly Item[] }) | undefined {
  return decoded(data, (read) => {
    const [shard, term, session] = [read.number(), read.number(), text(read.next())];
    const [number, ack] = [read.number(), read.number()];
    const items = list(read.next()).map((each) => itemOf(new Reader(list(each))));
    return { shard, term, session, number, ack, items };
  });
}

/** The members of one array, in order. */
class Reader {
  readonly #members: readonly unknown[];
  #at = 0;

  constructor(members: readonly unknown[]) {
    this.#members = members;
  }

  next(): unknown {
    if (this.#at >= this.#members.length) throw new TypeError('too short');
    return this.#members[this.#at++];
  }

  number(): number {
    return numeric(this.next());
  }

  numbers(): readonly number[] {
    return list(this.next()).map(numeric);
  }

  rate(): RateName {
    const name = RATE_NAMES[this.number()];
    if (name === undefined) throw new TypeError('unknown rate');
    return name;
  }
}

function encode(value: readonly Plain[]): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

function decoded<Value>(data: Uint8Array, parse: (read: Reader) => Value): Value | undefined {
  try {
    const members: unknown = JSON.parse(decoder.decode(data));
    const read = new Reader(list(members));
    return read.next() === FORM ? parse(read) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('not a list');
  return value;
}

function numeric(value: unknown): number {
  if (typeof value !== 'number') throw new TypeError('not a number');
  return value;
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('not a text');
  return value;
}

/** Bounds of a key; only what a limit knows is taken. */
function boundsOf(value: unknown): Bounds {
  if (typeof value !== 'object' || value === null) throw new TypeError('no bounds');
  const given = new Map<string, unknown>(Object.entries(value));
  const bounds: { -readonly [Name in keyof Bounds]: Bounds[Name] } = {};
  const connections = given.get('connections');
  if (connections !== undefined) bounds.connections = numeric(connections);
  const burst = given.get('burst');
  if (burst !== undefined) bounds.burst = numeric(burst);
  for (const name of RATE_NAMES) {
    const rate = given.get(name);
    if (rate === undefined) continue;
    if (typeof rate !== 'object' || rate === null) throw new TypeError('no rate');
    const parts = new Map<string, unknown>(Object.entries(rate));
    bounds[name] = { count: numeric(parts.get('count')), periodMs: numeric(parts.get('periodMs')) };
  }
  return bounds;
}
