import { isIP } from 'node:net';

/** Addresses of a name, and for how long they count. */
export interface FoundAddresses {
  readonly addresses: readonly string[];
  readonly ttlMs: number;
}

export interface ProxyEndpointsOptions {
  /** Addresses of both families; rejects when there are none. */
  readonly lookUp: (name: string) => Promise<FoundAddresses>;
  /** In [0, 1). */
  readonly random: () => number;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
}

/** A proxy that could not be reached is tried last for so long, milliseconds: another one of the same name is at hand at once, a new pod soon. */
export const SHUN_MS = 10_000;
/** A name whose look-up failed keeps its last addresses, and is looked up again after this, milliseconds. */
const RETRY_LOOKUP_MS = 5_000;
/** Entries after which those that are over are cleared away. */
const MAX_SHUNNED = 1_000;

interface Known {
  addresses: readonly string[];
  expiresAtMs: number;
  underWay?: Promise<readonly string[]>;
}

/** Which addresses of a proxy's name to try, and in which order. */
export class ProxyEndpoints {
  readonly #options: ProxyEndpointsOptions;
  readonly #known = new Map<string, Known>();
  /** What failed, until when it is tried last. */
  readonly #shunned = new Map<string, number>();

  constructor(options: ProxyEndpointsOptions) {
    this.#options = options;
  }

  /**
   * All addresses, shuffled, so that proxies share the connections; those that failed a moment ago come last, in the order in which they become good
   * again. `purpose` tells apart what may fail for one purpose only: a source address that only one of the proxies has.
   */
  async candidates(host: string, port: number, purpose: string): Promise<readonly string[]> {
    const addresses = isIP(host) === 0 ? await this.#addresses(host) : [host];
    if (addresses.length === 1) return addresses;
    const nowMs = this.#options.nowMs();
    const rank = (address: string): number =>
      Math.max(
        nowMs,
        this.#shunned.get(placeOf(address, port)) ?? 0,
        this.#shunned.get(placeOf(address, port, purpose)) ?? 0,
      );
    return this.#shuffled(addresses).toSorted((a, b) => rank(a) - rank(b));
  }

  /** Could not be reached; with a `purpose`: did not serve that. */
  failed(address: string, port: number, purpose?: string): void {
    const nowMs = this.#options.nowMs();
    if (this.#shunned.size >= MAX_SHUNNED)
      for (const [place, untilMs] of this.#shunned) if (untilMs <= nowMs) this.#shunned.delete(place);
    this.#shunned.set(placeOf(address, port, purpose), nowMs + SHUN_MS);
  }

  /** Served. */
  served(address: string, port: number, purpose: string): void {
    if (this.#shunned.size === 0) return;
    this.#shunned.delete(placeOf(address, port));
    this.#shunned.delete(placeOf(address, port, purpose));
  }

  async #addresses(host: string): Promise<readonly string[]> {
    const known = this.#known.get(host);
    if (known !== undefined && this.#options.nowMs() < known.expiresAtMs) return known.addresses;
    if (known?.underWay !== undefined) return known.underWay;
    const entry: Known = known ?? { addresses: [], expiresAtMs: 0 };
    this.#known.set(host, entry);
    entry.underWay = this.#lookUp(host, entry);
    return entry.underWay;
  }

  async #lookUp(host: string, entry: Known): Promise<readonly string[]> {
    try {
      const { addresses, ttlMs } = await this.#options.lookUp(host);
      entry.addresses = addresses;
      entry.expiresAtMs = this.#options.nowMs() + ttlMs;
    } catch (error) {
      if (entry.addresses.length === 0) throw error;
      // A name service that is away does not take working proxies with it.
      entry.expiresAtMs = this.#options.nowMs() + RETRY_LOOKUP_MS;
    } finally {
      delete entry.underWay;
    }
    return entry.addresses;
  }

  /** Fisher–Yates. */
  #shuffled(addresses: readonly string[]): string[] {
    const order = [...addresses];
    for (let last = order.length - 1; last > 0; last--) {
      const other = Math.floor(this.#options.random() * (last + 1));
      const moved = order[last]!;
      order[last] = order[other]!;
      order[other] = moved;
    }
    return order;
  }
}

function placeOf(address: string, port: number, purpose = ''): string {
  return `${address} ${port} ${purpose}`;
}
