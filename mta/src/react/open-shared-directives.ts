import { type ConnectionHooks, type NatsOptions, openNats, whileNatsSettles } from '../spool/mod.ts';
import type { Directive } from './directive.ts';
import type { DirectiveStore } from './directive-store.ts';

/** A cluster of servers that has just started needs a while to choose its leaders. */
const PATIENCE_MS = 30_000;

export interface SharedDirectivesOptions {
  readonly nats: NatsOptions;
  /** KV bucket: `sluice-directives`. */
  readonly bucket: string;
  readonly replicas: number;
  readonly createBucket: boolean;
  /** Wall time of this pod, milliseconds. */
  readonly nowMs: () => number;
  /** Some came into force, put there by whichever pod. */
  readonly onInForce: (directives: readonly Directive[]) => void;
  readonly onError: (what: string, error: unknown) => void;
}

/**
 * The directives that all pods on one NATS obey. Resolves when this pod knows all of them. The client library is loaded only here.
 *
 * @throws {SluiceError} `SLUICE_NATS_UNREACHABLE`, `_REFUSED`, `_TOO_OLD`, `_UNUSABLE`
 *
 * Example: `const directives = await openSharedDirectives({ nats, bucket: 'sluice-directives', replicas: 3, createBucket: true, … })`
 */
export async function openSharedDirectives(options: SharedDirectivesOptions): Promise<DirectiveStore> {
  const { nats, createBucket: create, ...rest } = options;
  let store: (DirectiveStore & ConnectionHooks) | undefined;
  const connection = await openNats(nats, {
    onDown: (reason) => store?.onDown(reason),
    onUp: () => store?.onUp(),
  });
  try {
    const { NatsDirectiveStore } = await import('./nats/nats-directive-store.ts');
    store = await whileNatsSettles(PATIENCE_MS, () =>
      NatsDirectiveStore.open({ ...rest, connection, create }),
    );
    return store;
  } catch (error) {
    await connection.close();
    throw error;
  }
}
