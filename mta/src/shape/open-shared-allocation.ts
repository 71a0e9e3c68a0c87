import { type ConnectionHooks, type NatsOptions, openNats, whileNatsSettles } from '../spool/mod.ts';
import type { Allocation } from './allocation-port.ts';
import type { HitCounting } from './hit-counting.ts';
import type { NodeState } from './shards/shard-node.ts';

/** A cluster of servers that has just started needs a while to choose its leaders. */
const PATIENCE_MS = 30_000;

export interface SharedAllocationOptions {
  readonly nats: NatsOptions;
  /** First token of all subjects. */
  readonly prefix: string;
  /** KV bucket: `sluice-limits`. */
  readonly bucket: string;
  readonly replicas: number;
  readonly createBucket: boolean;
  readonly nowMs: () => number;
  /** Every connection to a host must be destroyed before this returns: other pods count this one out. */
  readonly onFenced: () => void;
  /** Limits are shared with other pods, under this session: at the start, and after they were not. */
  readonly onShared: (session: string) => void;
  readonly onNotice: (text: string, facts: Readonly<Record<string, string | number>>) => void;
}

export interface SharedAllocation {
  readonly allocation: Allocation & HitCounting;
  state(): NodeState;
  /** After everything that is open was closed. */
  close(): Promise<void>;
}

/**
 * Limits that hold for all pods on one NATS together. The client library is loaded only here.
 *
 * @throws {SluiceError} `SLUICE_NATS_UNREACHABLE`, `_REFUSED`, `_TOO_OLD`, `_UNUSABLE`
 *
 * Example: `const shared = await openSharedAllocation(options); createShaper({ client: 'mta-0', allocation: shared.allocation })`
 */
export async function openSharedAllocation(options: SharedAllocationOptions): Promise<SharedAllocation> {
  const { nats, ...rest } = options;
  let shared: (SharedAllocation & ConnectionHooks) | undefined;
  const connection = await openNats(nats, {
    onDown: (reason) => shared?.onDown(reason),
    onUp: () => shared?.onUp(),
  });
  try {
    const { NatsAllocation } = await import('./nats/nats-allocation.ts');
    shared = await whileNatsSettles(PATIENCE_MS, () => NatsAllocation.open({ connection, ...rest }));
    return shared;
  } catch (error) {
    await connection.close();
    throw error;
  }
}
