import assert from 'node:assert/strict';
import { compile, type EgressConfig, parseResources } from '@sluice/crds';
import { stringify } from 'yaml';
import { createOpenSession, type OpenSession } from '../deliver/mod.ts';
import { createDial } from '../egress/mod.ts';
import { createRouter, type Router } from '../route/mod.ts';
import { createShaper } from '../shape/mod.ts';
import { type Envelope, newMessageId } from '../spool/mod.ts';
import type { OutcomeReport, ReactionReport, SenderReport } from './attempt-report.ts';
import { monotonicWallClock } from './clock.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { Dispatcher } from './dispatcher.ts';
import { MemoryDirectives } from './memory-directives.fixture.ts';
import { MemorySpool } from './memory-spool.fixture.ts';
import type { ReportOptions } from './report-desk.ts';

export interface PodSetup {
  readonly config: EgressConfig;
  readonly routes: readonly {
    readonly domain: string;
    readonly hosts: readonly {
      readonly host: string;
      readonly port: number;
      readonly preference: number;
      readonly auth?: { readonly username: string; readonly password: string };
    }[];
  }[];
  readonly spool?: MemorySpool;
  readonly residentBytes?: number;
  readonly reports?: ReportOptions;
  /** Other ways to open a session and to connect than the real ones. */
  readonly openSession?: OpenSession;
  readonly dial?: DispatchContext['dial'];
  readonly createShaper?: typeof createShaper;
  /** Changes the answers of the real router. */
  readonly routing?: (router: Router) => Router;
}

/** A pool `main` of these loopback addresses, and one policy: for all mail, and for some destinations. */
export function configOf(
  sources: readonly { readonly address: string; readonly state?: string }[],
  layer: Readonly<Record<string, unknown>> = {},
  destinations: readonly unknown[] = [],
  pool: Readonly<Record<string, unknown>> = {},
): EgressConfig {
  const apiVersion = 'sluice.email/v1alpha1';
  const documents = [
    {
      apiVersion,
      kind: 'EgressPool',
      metadata: { name: 'main' },
      spec: {
        ...pool,
        sources: sources.map(({ address, state }, index) => ({
          name: `ip-${index + 1}`,
          address,
          ehlo: `out${index + 1}.esp.example`,
          ...(state === undefined ? {} : { state }),
          egress: { type: 'Bind', bind: { address } },
        })),
      },
    },
    {
      apiVersion,
      kind: 'ShapingPolicy',
      metadata: { name: 'default' },
      spec: { default: layer, ...(destinations.length === 0 ? {} : { destinations }) },
    },
  ];
  const parsed = parseResources(documents.map((each) => stringify(each)).join('---\n'), 'test.yaml');
  assert.deepEqual(parsed.problems, []);
  return compile({ resources: parsed.resources }).config;
}

/** A dispatcher with everything real but the store, which is memory, and the report, which is kept. */
export class TestPod {
  readonly spool: MemorySpool;
  readonly dispatcher: Dispatcher;
  readonly outcomes: OutcomeReport[] = [];
  readonly heldSequences: number[] = [];
  readonly reactions: ReactionReport[] = [];
  readonly directives = new MemoryDirectives();
  readonly faults: unknown[] = [];
  readonly storeErrors: unknown[] = [];
  readonly brokenSources: string[] = [];
  readonly reported: SenderReport[] = [];
  /** Reasons why reports were dropped. */
  readonly unreported: string[] = [];
  /** Sessions that were opened. */
  opened = 0;

  constructor(setup: PodSetup) {
    const { config, routes, spool = new MemorySpool(), residentBytes = 1 << 20 } = setup;
    const dial = createDial({
      credentials: new Map(),
      lookUp: () => Promise.reject(new Error('there are no proxies here')),
      random: Math.random,
      nowMs: () => performance.now(),
    });
    this.spool = spool;
    const router = createRouter({
      servers: [],
      timeoutMs: 100,
      attempts: 1,
      smtpPort: 25,
      routes,
      allowedTargets: [],
      random: Math.random,
      nowMs: () => performance.now(),
    });
    this.dispatcher = new Dispatcher({
      config,
      spool,
      router: setup.routing?.(router) ?? router,
      createShaper: setup.createShaper ?? createShaper,
      openSession: setup.openSession ?? createOpenSession({ nowMs: () => performance.now() }),
      dial:
        setup.dial ??
        ((source, address, port, timeoutMs, signal) => dial(source, { address, port }, timeoutMs, signal)),
      report: {
        stored: () => undefined,
        accepted: () => {},
        outcome: (report) => this.outcomes.push(report),
        transaction: () => {},
        limitWaited: () => {},
        reacted: (report) => this.reactions.push(report),
        connection: (what) => {
          if (what === 'opened') this.opened++;
        },
        sourceBroken: ({ name }) => this.brokenSources.push(name),
        reported: (report) => this.reported.push(report),
        unreported: ({ reason }) => this.unreported.push(reason),
        reportDelayed: () => {},
        mismatch: (sequence) => this.faults.push(`mismatch ${sequence}`),
        held: ({ reference }) => this.heldSequences.push(reference.sequence),
        journalError: (error) => this.storeErrors.push(error),
        storeError: (error) => this.storeErrors.push(error),
        fault: (error) => this.faults.push(error),
      },
      directives: this.directives,
      clock: monotonicWallClock,
      random: Math.random,
      tenantLabels: () => ({}),
      classPriority: () => 0,
      residentBytes,
      ...(setup.reports === undefined ? {} : { reports: setup.reports }),
    });
  }

  async send(
    recipients: readonly string[],
    fields: Partial<Envelope> = {},
    text: Buffer = Buffer.from('Subject: x\r\n\r\nx\r\n'),
  ): Promise<void> {
    const body = [text];
    const envelope: Envelope = {
      id: newMessageId(Date.now()),
      sender: 'bounces@esp.example',
      recipients,
      tenant: '',
      campaign: '',
      class: '',
      acceptedAtMs: monotonicWallClock.nowMs(),
      notBeforeMs: 0,
      expireAtMs: 0,
      sizeBytes: text.length,
      eightBit: false,
      smtputf8: false,
      origin: 'test',
      ...fields,
    };
    assert.equal(await this.dispatcher.accept(envelope, body), undefined);
  }

  /** Recipients with this outcome so far. */
  told(kind: OutcomeReport['kind']): readonly string[] {
    return this.outcomes
      .filter((report) => report.kind === kind)
      .flatMap(({ envelope, recipients }) => recipients.map((index) => envelope.recipients[index] ?? ''));
  }
}

/** Waits until the condition holds, asking every 5 ms; fails with the words after 10 s. */
export async function until(what: string, holds: () => boolean, timeoutMs = 10_000): Promise<void> {
  const giveUpAtMs = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > giveUpAtMs) assert.fail(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
