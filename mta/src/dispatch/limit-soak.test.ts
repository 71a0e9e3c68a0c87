import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile, type EgressConfig, parseResources } from '@sluice/crds';
import { stringify } from 'yaml';
import { type Directive, directiveId, type Selector } from '../react/mod.ts';
import { monotonicWallClock } from './clock.ts';
import { TestPod, until } from './dispatcher.fixture.ts';
import { MailHost } from './mail-host.fixture.ts';

/** `LIMIT_SOAK_SEEDS=200 node --test mta/src/dispatch/limit-soak.test.ts` looks for longer, from seed `LIMIT_SOAK_FROM`. */
const SEEDS = Number(process.env.LIMIT_SOAK_SEEDS ?? 2);
const FIRST_SEED = Number(process.env.LIMIT_SOAK_FROM ?? 1);
const MESSAGES = 120;
const CHANGES = 40;
/** In two pools: a limit counts the address, whichever pool it is in. */
const SHARED = '127.0.8.1';
const OTHER = '127.0.8.2';
const DOMAINS = ['a.example', 'b.example'];

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

type State = 'Active' | 'Draining' | 'Disabled' | undefined;

/** Two pools that share a source; `undefined` = the pool does not have it now. */
function configOf(one: State, two: State, other: State, generation: number): EgressConfig {
  const apiVersion = 'sluice.email/v1alpha1';
  const source = (address: string, state: State): readonly object[] =>
    state === undefined
      ? []
      : [
          {
            name: address === SHARED ? 'ip-1' : 'ip-2',
            address,
            ehlo: 'out.esp.example',
            state,
            egress: { type: 'Bind', bind: { address } },
          },
        ];
  const pool = (name: string, match: object, sources: readonly object[]): object => ({
    apiVersion,
    kind: 'EgressPool',
    metadata: { name },
    spec: { match: [{ name: 'only', ...match }], sources },
  });
  const documents = [
    pool('one', { tenants: ['one'] }, [...source(SHARED, one), ...source(OTHER, other)]),
    pool('two', { priority: -1 }, [...source(SHARED, two), ...source(OTHER, 'Active')]),
    {
      apiVersion,
      kind: 'ShapingPolicy',
      metadata: { name: 'default' },
      spec: {
        default: {
          session: { messagesPerConnection: 3 + (generation % 5), idleTimeout: '30ms' },
          retry: { delays: ['20ms'], expireAfter: '1h' },
          limits: [{ name: 'bound', per: ['Source', 'Site'], connections: 1 }],
        },
      },
    },
  ];
  const parsed = parseResources(documents.map((each) => stringify(each)).join('---\n'), 'soak.yaml');
  assert.deepEqual(parsed.problems, []);
  return compile({ resources: parsed.resources }).config;
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
  test(`one connection means one, whatever pools, directives and hosts do (seed ${seed})`, async (context) => {
    const random = seeded(seed);
    const pick = <T>(...choices: readonly T[]): T | undefined =>
      choices[Math.floor(random() * choices.length)];
    const hosts: MailHost[] = [];
    context.after(() => Promise.all(hosts.map((host) => host.close())));
    for (const _ of DOMAINS) {
      const answers = {
        finalDotMs: 1 + Math.floor(random() * 20),
        greeting: () => (random() < 0.05 ? '421 4.3.2 not now' : '220 mx.example'),
        mail: () => (random() < 0.05 ? '421 4.7.0 too much' : '250 ok'),
        rcpt: () => (random() < 0.05 ? '451 4.2.0 later' : '250 ok'),
      };
      hosts.push(await new MailHost(answers).listen());
    }
    const pod = new TestPod({
      config: configOf('Active', 'Active', 'Active', 0),
      routes: DOMAINS.map((domain, index) => ({
        domain,
        hosts: [{ host: '127.0.0.1', port: hosts[index]?.port ?? 0, preference: 0 }],
      })),
    });
    context.after(() => pod.dispatcher.drain(0));
    const moment = (mostMs: number): Promise<void> =>
      new Promise((resolve) => setTimeout(resolve, random() * mostMs));
    const mail = (async () => {
      for (let count = 0; count < MESSAGES; count++) {
        const tenant = pick('one', 'two') ?? '';
        await pod.send([`m${count}@${pick(...DOMAINS)}`], { tenant });
        if (random() < 0.3) await moment(20);
      }
    })();
    for (let change = 1; change <= CHANGES; change++) {
      await moment(60);
      const dice = random();
      if (dice < 0.6) {
        const state = (): State => pick<State>('Active', 'Active', 'Draining', 'Disabled', undefined);
        pod.dispatcher.reconfigure(configOf(state(), state(), pick<State>('Active', 'Disabled'), change));
      } else if (dice < 0.75) {
        await pod.directives.put([suspension({ source: pick(SHARED, OTHER) ?? SHARED })]);
      } else if (dice < 0.85) {
        await pod.directives.remove(pod.directives.set.directives.map(({ id }) => id));
      } else if (dice < 0.95) {
        pick(...hosts)?.reset();
      } else {
        pod.dispatcher.fence();
      }
    }
    await mail;
    await pod.directives.remove(pod.directives.set.directives.map(({ id }) => id));
    pod.dispatcher.reconfigure(configOf('Active', 'Active', 'Active', CHANGES + 1));
    for (const host of hosts) host.answers = { finalDotMs: 1 };
    assert.deepEqual(peaks(hosts), [1, 1]);
    await until('everything is delivered', () => pod.told('delivered').length === MESSAGES, 45_000);
    assert.deepEqual(peaks(hosts), [1, 1]);
    assert.deepEqual(hosts.flatMap(doubled), [], 'twice though its answer was read');
    assert.deepEqual(pod.faults, []);
  });
}

function peaks(hosts: readonly MailHost[]): number[] {
  return hosts.map((host) => Math.max(...host.peaks.values()));
}

/** Messages that were taken again although the connection that took them first went on to something else. */
function doubled({ taken }: MailHost): string[] {
  const firsts = new Map<string, number>();
  return taken.flatMap(({ recipients: [recipient = ''], connection }, index) => {
    const first = firsts.get(recipient);
    if (first === undefined) {
      firsts.set(recipient, connection);
      return [];
    }
    const wentOn = taken.slice(0, index).findLast((each) => each.connection === first);
    return wentOn?.recipients[0] === recipient ? [] : [recipient];
  });
}

function suspension(selector: Selector): Directive {
  const effect = { type: 'Suspend' } as const;
  return {
    id: directiveId('Operator', effect, selector),
    effect,
    selector,
    origin: 'Operator',
    reason: 'soak',
    createdAtMs: monotonicWallClock.nowMs(),
    expiresAtMs: 0,
  };
}
