import type { Bounds } from '@sluice/crds';
import type { AllocationPort } from './allocation-port.ts';
import { SWEEP_EVERY_MS } from './allocator.ts';
import type { ClientId } from './effect.ts';
import { HeldKey } from './held-key.ts';
import type { HeldRate } from './held-rate.ts';
import { type KeySet, type LimitKey, RATE_NAMES, TRANSACTION_RATES } from './limit-key.ts';
import type { TokenLines } from './token-lines.ts';

/** A key that was not used for this long and that nobody waits for is given back and forgotten. */
export const KEY_IDLE_MS = 30_000;

/** A key set with its state looked up: what makes a take cheap. */
export interface ResolvedKeys {
  readonly epoch: number;
  readonly slotKeys: readonly HeldKey[];
  /** Equal for key sets that want the same slots. */
  readonly slotSignature: string;
  /** Slowest first: the one order in which tokens are collected. */
  readonly connectionRates: readonly HeldRate[];
  readonly transactionRates: readonly HeldRate[];
}

/** Keys of which this pod knows something. */
export class HeldKeys {
  readonly #client: ClientId;
  readonly #port: AllocationPort;
  readonly #lines: TokenLines;
  readonly #keys = new Map<string, HeldKey>();
  readonly #resolved = new WeakMap<KeySet, ResolvedKeys>();
  /** Raised whenever a resolved set may be out of date. */
  #epoch = 0;
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor(client: ClientId, port: AllocationPort, lines: TokenLines) {
    this.#client = client;
    this.#port = port;
    this.#lines = lines;
  }

  resolve(set: KeySet, nowMs: number): ResolvedKeys {
    const known = this.#resolved.get(set);
    if (known !== undefined && known.epoch === this.#epoch) return known;
    // A set that was seen before shows nothing new: its bounds may be older than what is in force.
    const keys = new Set(set.keys.map((limit) => this.#key(limit, known === undefined, nowMs)));
    const resolved = this.#resolve([...keys]);
    this.#resolved.set(set, resolved);
    return resolved;
  }

  find(keyId: string): HeldKey | undefined {
    return this.#keys.get(keyId) ?? this.#keys.get(podKeyId(this.#client, keyId));
  }

  /** By the allocator's name. */
  get(allocatorId: string): HeldKey | undefined {
    return this.#keys.get(allocatorId);
  }

  updateBounds(keyId: string, bounds: Bounds, nowMs: number): void {
    const key = this.find(keyId);
    if (key === undefined) return;
    this.#changed(key, key.replaceBounds(bounds), nowMs);
  }

  /** What is held is held no longer; the allocator knows. Nobody waits. */
  lose(nowMs: number): void {
    for (const key of this.#keys.values()) {
      for (const name of RATE_NAMES) {
        const rate = key.rates[name];
        if (rate !== undefined) this.#lines.lose(rate, nowMs);
      }
    }
  }

  /** Gives back keys at rest. */
  sweep(nowMs: number): void {
    if (nowMs < this.#sweptAtMs + SWEEP_EVERY_MS) return;
    this.#sweptAtMs = nowMs;
    for (const [id, key] of this.#keys) {
      if (!key.quiet || nowMs < key.lastUsedMs() + KEY_IDLE_MS) continue;
      this.#keys.delete(id);
      this.#epoch++;
      for (const name of RATE_NAMES) {
        const rate = key.rates[name];
        if (rate !== undefined) this.#lines.drop(rate, nowMs);
      }
    }
  }

  #key(limit: LimitKey, isNew: boolean, nowMs: number): HeldKey {
    const id = limit.scope === 'Pod' ? podKeyId(this.#client, limit.id) : limit.id;
    const known = this.#keys.get(id);
    if (known === undefined) {
      const key = new HeldKey(id, limit, nowMs);
      this.#keys.set(id, key);
      return key;
    }
    known.usedAtMs = nowMs;
    if (isNew) {
      const dropped = known.present(limit);
      if (dropped !== undefined) this.#changed(known, dropped, nowMs);
    }
    return known;
  }

  #changed(key: HeldKey, dropped: readonly HeldRate[], nowMs: number): void {
    this.#epoch++;
    for (const rate of dropped) this.#lines.drop(rate, nowMs);
    this.#port.bind(key, nowMs);
  }

  #resolve(keys: readonly HeldKey[]): ResolvedKeys {
    const slotKeys = keys.filter((key) => key.bounds.connections !== undefined);
    const rates = (names: readonly (typeof RATE_NAMES)[number][]): HeldRate[] =>
      keys
        .flatMap((key) => names.map((name) => key.rates[name]))
        .filter((rate) => rate !== undefined)
        .sort(slowestFirst);
    return {
      epoch: this.#epoch,
      slotKeys,
      slotSignature: slotKeys.map((key) => key.id).join('\n'),
      connectionRates: rates(['connectionRate']),
      transactionRates: rates(TRANSACTION_RATES),
    };
  }
}

/** A limit with `scope: Pod` is a key of this pod's own. */
export function podKeyId(client: ClientId, keyId: string): string {
  return `${client}\n${keyId}`;
}

function slowestFirst(one: HeldRate, other: HeldRate): number {
  if (one.intervalMs !== other.intervalMs) return other.intervalMs - one.intervalMs;
  if (one.key.id !== other.key.id) return one.key.id < other.key.id ? -1 : 1;
  return one.name < other.name ? -1 : 1;
}
