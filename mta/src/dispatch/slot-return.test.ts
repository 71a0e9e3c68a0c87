import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  OpenSession,
  Session,
  SessionFailure,
  SessionOptions,
  Transaction,
  TransactionResult,
} from '../deliver/mod.ts';
import { type ConnectionGrant, createShaper, type Shaper } from '../shape/mod.ts';
import { configOf, TestPod, until } from './dispatcher.fixture.ts';
import { MailHost } from './mail-host.fixture.ts';

const DOMAINS = 300;
const MESSAGES = 3_000;
const SITE_CONNECTIONS = 3;
const HOST_CONNECTIONS = 2;
const TENANT_CONNECTIONS = 40;
const TENANTS = ['a', 'b', 'c', 'd', 'e'];
const RETRY_MS = 20;
const FAULTS = 2_500;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Grants that are out; a grant that is given back twice, or was never given, is an offence. */
class SlotLedger {
  readonly out = new Set<ConnectionGrant>();
  readonly offences: string[] = [];
  grants = 0;

  readonly create: typeof createShaper = (options) => {
    const shaper = createShaper(options);
    const watched: Shaper = {
      takeConnection: (keys, waiter, nowMs) => {
        const taken = shaper.takeConnection(keys, waiter, nowMs);
        if (taken.granted) {
          this.grants++;
          this.out.add(taken);
        }
        return taken;
      },
      release: (grant, nowMs) => {
        if (!this.out.delete(grant)) this.offences.push(`given back twice: ${grant.id}`);
        shaper.release(grant, nowMs);
      },
      takeTransaction: (...given) => shaper.takeTransaction(...given),
      cancel: (waiter) => shaper.cancel(waiter),
      updateBounds: (...given) => shaper.updateBounds(...given),
      nextWakeAtMs: () => shaper.nextWakeAtMs(),
      advance: (nowMs) => shaper.advance(nowMs),
      look: (...given) => shaper.look(...given),
      inspect: (...given) => shaper.inspect(...given),
    };
    return watched;
  };
}

/** Hosts that fail in every way and at any time. */
class FaultyHosts {
  faults = 0;
  /** Connections that each host counts now. */
  readonly #counted = new Map<string, number>();
  readonly offences: string[] = [];
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** A moment: the same turn, the next one, or milliseconds later. */
  async moment(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.3) return;
    if (dice < 0.7) await new Promise((resolve) => setImmediate(resolve));
    else await new Promise((resolve) => setTimeout(resolve, dice * 4));
  }

  counts(host: string, change: 1 | -1): void {
    const now = (this.#counted.get(host) ?? 0) + change;
    this.#counted.set(host, now);
    if (now > HOST_CONNECTIONS) this.offences.push(`${now} connections to ${host}`);
    if (now < 0) this.offences.push(`${host} lost a connection that it did not have`);
  }

  readonly open: OpenSession = async (options) => {
    this.counts(options.address, 1);
    await this.moment();
    const fails = this.chance(0.35) || options.signal?.aborted === true;
    if (!fails) return new FaultySession(this, options);
    this.faults++;
    await this.moment();
    this.counts(options.address, -1);
    if (this.chance(0.05)) throw new Error('a bug while connecting');
    return this.failure('Greeting');
  };

  failure(phase: SessionFailure['phase']): SessionFailure {
    const causes = ['reply', 'timeout', 'closed', 'refused', 'tls', 'protocol', 'local'] as const;
    return {
      ok: false,
      phase,
      cause: causes[Math.floor(this.#random() * causes.length)] ?? 'closed',
      reply: { code: 421, enhanced: '4.4.2', text: 'fault', host: '' },
      tryNextHost: this.chance(0.8),
      permanent: this.chance(0.1),
    };
  }
}

class FaultySession implements Session {
  readonly ok = true;
  readonly greeting = { code: 220, enhanced: '', text: '', host: '' };
  readonly dsn = false;
  usable = true;
  transactions = 0;
  onEnd: (() => void) | undefined;
  readonly #hosts: FaultyHosts;
  readonly #address: string;
  #running: Promise<unknown> | undefined;
  #gone: Promise<void> | undefined;

  constructor(hosts: FaultyHosts, options: SessionOptions) {
    this.#hosts = hosts;
    this.#address = options.address;
  }

  send(transaction: Transaction): Promise<TransactionResult> {
    assert.equal(this.#running, undefined, 'one transaction at a time');
    const sent = this.#transact(transaction);
    this.#running = sent
      .catch(() => {})
      .then(() => {
        this.#running = undefined;
      });
    return sent;
  }

  close(): Promise<void> {
    this.usable = false;
    this.#gone ??= this.#leave();
    return this.#gone;
  }

  destroy(): Promise<void> {
    return this.close();
  }

  async #leave(): Promise<void> {
    await this.#running;
    await this.#hosts.moment();
    this.#hosts.counts(this.#address, -1);
  }

  async #transact({ recipients }: Transaction): Promise<TransactionResult> {
    const hosts = this.#hosts;
    if (!this.usable) return this.#notBegun(recipients, 'peer-closed');
    this.transactions++;
    await hosts.moment();
    if (hosts.chance(0.08)) return this.#fault(() => this.#notBegun(recipients, 'peer-closed'));
    if (hosts.chance(0.03)) return this.#fault(() => this.#notBegun(recipients, 'extension-broken'));
    if (hosts.chance(0.01)) {
      hosts.faults++;
      throw new Error('a bug in a transaction');
    }
    const ended = hosts.chance(0.15) ? this.#fault(() => hosts.failure('FinalDot')) : undefined;
    const result: TransactionResult = {
      begun: true,
      durationMs: 1,
      recipients: recipients.map(() => {
        const status =
          ended === undefined && hosts.chance(0.7)
            ? 'delivered'
            : hosts.chance(0.8)
              ? 'transient'
              : 'permanent';
        const code = { delivered: 250, transient: 451, permanent: 550 }[status];
        return { status, phase: 'Rcpt', reply: { code, enhanced: '', text: '', host: '' } };
      }),
      ...(ended === undefined ? {} : { ended }),
    };
    if (ended === undefined && hosts.chance(0.1)) this.#fault(() => void this.#endLater());
    return result;
  }

  #fault<T>(make: () => T): T {
    this.#hosts.faults++;
    const made = make();
    return made;
  }

  #notBegun(recipients: readonly string[], ended: 'peer-closed' | 'extension-broken'): TransactionResult {
    this.usable = false;
    const reply = { code: 421, enhanced: '4.4.2', text: 'closed', host: '' };
    return {
      begun: false,
      durationMs: 0,
      ended,
      recipients: recipients.map(() => ({ status: 'transient', phase: 'Mail', reply })),
    };
  }

  /** The peer closes at its own limit, maybe while the session idles. */
  async #endLater(): Promise<void> {
    await this.#hosts.moment();
    this.usable = false;
    if (this.#running === undefined) this.onEnd?.();
  }
}

function config(generation: number) {
  return configOf(
    // A pool that changes makes every lane of it anew.
    [{ address: '127.0.8.1' }, { address: `127.0.8.${2 + (generation % 2)}` }],
    {
      session: { messagesPerConnection: 5, idleTimeout: '20ms' },
      retry: { delays: [`${RETRY_MS}ms`] },
      limits: [
        { name: 'site', per: ['Site'], connections: SITE_CONNECTIONS },
        { name: 'host', per: ['MxHost'], connections: HOST_CONNECTIONS },
        { name: 'tenant', per: ['Tenant'], connections: TENANT_CONNECTIONS },
      ],
    },
  );
}

for (const seed of [1, 2, 3]) {
  test(`every slot comes back once, through thousands of faults and changes of configuration (seed ${seed})`, async () => {
    const random = seeded(seed);
    const hosts = new FaultyHosts(random);
    const ledger = new SlotLedger();
    const pod = new TestPod({
      config: config(0),
      routes: Array.from({ length: DOMAINS }, (_, index) => ({
        domain: `d${index}.example`,
        hosts: [1, 2].map((preference) => ({
          host: `127.${preference}.${index >> 8}.${index & 255}`,
          port: 25,
          preference,
        })),
      })),
      createShaper: ledger.create,
      openSession: hosts.open,
    });
    for (let index = 0; index < MESSAGES; index++) {
      const domain = `d${Math.floor(random() * DOMAINS)}.example`;
      const tenant = TENANTS[index % TENANTS.length] ?? '';
      await pod.send([`x@${domain}`, `y@${domain}`], { tenant });
      if (index % 500 === 499) pod.dispatcher.reconfigure(config(index));
    }
    // Lanes whose site failed pause for long; those of a changed pool begin anew.
    for (let generation = 0; hosts.faults < FAULTS; generation++) {
      const before = hosts.faults;
      pod.dispatcher.reconfigure(config(generation));
      await until('more faults', () => hosts.faults > Math.min(FAULTS, before + 200));
    }
    await pod.dispatcher.drain(random() < 0.5 ? 0 : 50);
    await until('every slot is back', () => ledger.out.size === 0);
    assert.deepEqual([...ledger.offences, ...hosts.offences], []);
    assert.ok(ledger.grants > 1_000, `only ${ledger.grants} grants`);
    for (const fault of pod.faults) assert.match(String(fault), /a bug (while connecting|in a transaction)/);
  });
}

test('two lanes that share a host at its limit do not ask for it over and over: their lines grew until nothing was sent', async (context) => {
  const hosts = [
    await new MailHost({ finalDotMs: 20 }).listen(),
    await new MailHost({ finalDotMs: 20 }).listen(),
  ];
  let asked = 0;
  const limits = [
    { name: 'site', per: ['Site'], connections: 1 },
    { name: 'mx', per: ['MxHost'], connections: 1 },
  ];
  const pod = new TestPod({
    config: configOf([{ address: '127.0.8.1' }, { address: '127.0.8.2' }], { limits }),
    routes: hosts.map(({ port }, index) => ({
      domain: `d${index}.example`,
      hosts: [{ host: '127.0.0.1', port, preference: 0 }],
    })),
    createShaper: (options) => {
      const shaper = createShaper(options);
      const take = shaper.takeConnection.bind(shaper);
      shaper.takeConnection = (...parameters) => {
        asked++;
        return take(...parameters);
      };
      return shaper;
    },
  });
  context.after(async () => {
    await pod.dispatcher.drain(0);
    await Promise.all(hosts.map((host) => host.close()));
  });
  for (let count = 0; count < 150; count++) await pod.send([`u${count}@d${count % 2}.example`]);
  await until('all are delivered', () => pod.told('delivered').length === 150, 20_000);
  assert.ok(asked < 600, `asked ${asked} times`);
});
