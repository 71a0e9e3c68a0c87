import type { Socket } from 'node:net';
import { type EgressWay, SluiceError, type SourceConfig } from '@sluice/crds';
import { connectTo, type DialTarget } from './connect.ts';
import { HopFailure, proxyName, TargetFailure } from './hop-failure.ts';
import { ProxyEndpoints, type ProxyEndpointsOptions } from './proxy-endpoints.ts';
import { proxyHeader } from './proxy-header.ts';
import { Socks5Client, type SocksCredential } from './socks5-client.ts';
import { TlsHop } from './tls-hop.ts';

export interface ProxyDialOptions extends ProxyEndpointsOptions {
  /** `spec.credentials` of sluice.yaml, by name. */
  readonly credentials: ReadonlyMap<string, SocksCredential>;
  /** PEM; absent = the roots that come with Node. */
  readonly proxyCa?: string;
}

type HAProxyWay = Extract<EgressWay, { readonly type: 'HAProxy' }>;
type Socks5Way = Extract<EgressWay, { readonly type: 'SOCKS5' }>;

/** One wish to be connected through a proxy. */
export interface ProxiedDial {
  readonly source: SourceConfig;
  readonly way: HAProxyWay | Socks5Way;
  readonly target: DialTarget;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Longest part of the connect timeout that one proxy may take until it is ready to connect: proxies are near, milliseconds. */
export const HOP_TIMEOUT_MS = 10_000;
/** Of a short connect timeout the proxies get no more than this share, so that its end can be told from that of the target. */
const HOP_SHARE = 0.8;

/** Connects through HAProxy and SOCKS5 proxies; see {@link Dial} for what the errors mean. */
export class ProxyDial {
  readonly #options: ProxyDialOptions;
  readonly #endpoints: ProxyEndpoints;
  readonly #tls: TlsHop;

  constructor(options: ProxyDialOptions) {
    this.#options = options;
    this.#endpoints = new ProxyEndpoints(options);
    this.#tls = new TlsHop(options.proxyCa);
  }

  async dial(wish: ProxiedDial): Promise<Socket> {
    const { source, way, timeoutMs, signal } = wish;
    signal.throwIfAborted();
    const { host, port } = endpointOf(way);
    const credential = this.#credential(wish);
    const giveUpAtMs = this.#options.nowMs() + timeoutMs;
    const hopsUntilMs = this.#options.nowMs() + timeoutMs * HOP_SHARE;
    const purpose = addressTold(way);
    let last = { failure: new HopFailure('unreachable', 'its name has no address'), address: host };
    for (const [tried, address] of (await this.#candidates(wish, hopsUntilMs, purpose)).entries()) {
      const leftMs = hopsUntilMs - this.#options.nowMs();
      if (tried > 0 && leftMs <= 0) break;
      try {
        const hop = { address, port, limitMs: Math.min(HOP_TIMEOUT_MS, leftMs), credential };
        const socket = await this.#through(wish, hop, giveUpAtMs);
        this.#endpoints.served(address, port, purpose);
        return socket;
      } catch (error) {
        if (!(error instanceof HopFailure)) throw error;
        if (error.kind === 'unreachable') this.#endpoints.failed(address, port);
        else this.#endpoints.failed(address, port, purpose);
        last = { failure: error, address };
        if (signal.aborted) break;
      }
    }
    throw last.failure.named(source.name, proxyName(host, port, last.address));
  }

  /** A look-up that fails, or takes too long, is the way's fault, not the target's. */
  async #candidates({ source, way, signal }: ProxiedDial, untilMs: number, purpose: string) {
    const { host, port } = endpointOf(way);
    try {
      return await within(this.#endpoints.candidates(host, port, purpose), {
        limitMs: Math.min(HOP_TIMEOUT_MS, untilMs - this.#options.nowMs()),
        signal,
        onEnd: () => {},
      });
    } catch (error) {
      if (error === signal.reason) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      const failure = new HopFailure('unreachable', `its name cannot be looked up: ${reason}`, error);
      throw failure.named(source.name, proxyName(host, port));
    }
  }

  /** Through one proxy; whatever happens, no other socket than the resolved one stays open. */
  async #through(wish: ProxiedDial, hop: Hop, giveUpAtMs: number): Promise<Socket> {
    const { way, target, signal } = wish;
    const hopEndsAtMs = this.#options.nowMs() + hop.limitMs;
    const raw = await this.#reach(hop, signal);
    // Whoever reads hears of the end; where TLS has taken it over, nobody else listens here.
    raw.on('error', () => {});
    try {
      if (way.type === 'HAProxy') {
        raw.write(proxyHeader(way.haproxy.protocol, way.haproxy.sourceAddress, target));
        return raw;
      }
      const { tls, host, sourceAddress, dialect } = way.socks5;
      const leftMs = (): number => Math.max(1, hopEndsAtMs - this.#options.nowMs());
      const destroy = (): void => void raw.destroy();
      const socket =
        tls === 'Disabled'
          ? raw
          : await within(this.#tls.secure(raw, host), { limitMs: leftMs(), signal, onEnd: destroy });
      const client = new Socks5Client(socket);
      const stop = (reason: unknown): void => client.stop(reason);
      await within(client.introduce(hop.credential), { limitMs: leftMs(), signal, onEnd: stop });
      if (dialect === 'BindConnect' && sourceAddress !== undefined)
        await within(client.bind(sourceAddress), { limitMs: leftMs(), signal, onEnd: stop });
      await this.#connect(client, wish, hop, giveUpAtMs);
      client.release();
      return socket;
    } catch (error) {
      raw.destroy();
      throw error;
    }
  }

  async #reach({ address, port, limitMs }: Hop, signal: AbortSignal): Promise<Socket> {
    try {
      return await connectTo({ address, port }, undefined, limitMs, signal);
    } catch (error) {
      if (signal.aborted) throw hopEnd(signal);
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      throw new HopFailure('unreachable', REACH_TEXTS.get(code) ?? `connection failed (${code})`, error);
    }
  }

  /** From here on it is the target that is waited for. */
  async #connect(client: Socks5Client, wish: ProxiedDial, hop: Hop, giveUpAtMs: number): Promise<void> {
    const { target, way, signal } = wish;
    const { host } = endpointOf(way);
    const proxy = proxyName(host, hop.port, hop.address);
    const limitMs = Math.max(1, giveUpAtMs - this.#options.nowMs());
    const code = await within(
      client.connect(target),
      { limitMs, signal, onEnd: (reason) => client.stop(reason) },
      () => new TargetFailure('ETIMEDOUT', target, proxy),
    ).catch((error: unknown) => {
      // Another proxy of the same name would be asked for the same: what it says about CONNECT stands.
      throw error instanceof HopFailure ? error.named(wish.source.name, proxy) : error;
    });
    if (code !== undefined) throw new TargetFailure(code, target, proxy);
  }

  #credential({ source, way }: ProxiedDial): SocksCredential | undefined {
    if (way.type !== 'SOCKS5' || way.socks5.credentialName === undefined) return undefined;
    const { credentialName, host, port } = way.socks5;
    const credential = this.#options.credentials.get(credentialName);
    if (credential !== undefined) return credential;
    const parameters = { source: source.name, credential: credentialName, proxy: proxyName(host, port) };
    throw new SluiceError('SLUICE_EGRESS_CREDENTIAL_MISSING', parameters);
  }
}

/** One address of a proxy's name. */
interface Hop {
  readonly address: string;
  readonly port: number;
  readonly limitMs: number;
  readonly credential: SocksCredential | undefined;
}

const REACH_TEXTS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connection refused'],
  ['ETIMEDOUT', 'no answer in time'],
  ['EHOSTUNREACH', 'no route to it'],
  ['ENETUNREACH', 'no route to it'],
]);

function endpointOf(way: HAProxyWay | Socks5Way): { readonly host: string; readonly port: number } {
  return way.type === 'HAProxy' ? way.haproxy : way.socks5;
}

/** The address that a proxy is told to connect from; `''` = none. */
function addressTold(way: HAProxyWay | Socks5Way): string {
  return way.type === 'HAProxy' ? way.haproxy.sourceAddress : (way.socks5.sourceAddress ?? '');
}

function lateHop(): Error {
  return new HopFailure('unreachable', 'no answer in time');
}

/** Time that is over tells something about who was waited for; any other reason to give up does not. */
function isTimeout({ reason }: AbortSignal): boolean {
  return reason instanceof Error && reason.name === 'TimeoutError';
}

function hopEnd(signal: AbortSignal): unknown {
  return isTimeout(signal) ? lateHop() : signal.reason;
}

interface Bounds {
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Ends the work, which then rejects. */
  readonly onEnd: (reason: unknown) => void;
}

/** Bounds a step by time and signal. */
async function within<T>(work: Promise<T>, { limitMs, signal, onEnd }: Bounds, late = lateHop): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const end = (reason: unknown): void => {
    reject(reason);
    onEnd(reason);
  };
  const onAbort = (): void => end(isTimeout(signal) ? late() : signal.reason);
  const limit = setTimeout(() => end(late()), limitMs);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, ended]);
  } finally {
    clearTimeout(limit);
    signal.removeEventListener('abort', onAbort);
    // Whichever lost says nothing new.
    work.catch(() => {});
  }
}
