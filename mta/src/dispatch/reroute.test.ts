import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { compile, type EgressConfig, parseResources } from '@sluice/crds';
import { stringify } from 'yaml';
import { type Directive, type DirectiveEffect, directiveId, type Selector } from '../react/mod.ts';
import { monotonicWallClock } from './clock.ts';
import { type PodSetup, TestPod, until } from './dispatcher.fixture.ts';
import { MailHost } from './mail-host.fixture.ts';

/** Pools with one source each, `127.0.9.1` and so on; the first one takes all mail. */
function pools(...names: readonly string[]): EgressConfig {
  const documents = names.map((name, index) => ({
    apiVersion: 'sluice.email/v1alpha1',
    kind: 'EgressPool',
    metadata: { name },
    spec: {
      match: [{ name: 'all', priority: -index }],
      sources: [
        {
          name: `${name}-1`,
          address: `127.0.9.${index + 1}`,
          ehlo: `${name}.esp.example`,
          egress: { type: 'Bind', bind: { address: `127.0.9.${index + 1}` } },
        },
      ],
    },
  }));
  const parsed = parseResources(documents.map((each) => stringify(each)).join('---\n'), 'test.yaml');
  assert.deepEqual(parsed.problems, []);
  return compile({ resources: parsed.resources }).config;
}

async function podFor(
  context: TestContext,
  config: EgressConfig,
  setup: Partial<PodSetup> = {},
): Promise<{ readonly pod: TestPod; readonly host: MailHost }> {
  const host = await new MailHost().listen();
  context.after(() => host.close());
  const pod = new TestPod({
    config,
    routes: [{ domain: '*', hosts: [{ host: '127.0.0.1', port: host.port, preference: 0 }] }],
    ...setup,
  });
  context.after(async () => {
    await pod.dispatcher.drain(0);
    assert.deepEqual(pod.faults, []);
  });
  return { pod, host };
}

function order(effect: DirectiveEffect, selector: Selector): Directive {
  return {
    id: directiveId('Operator', effect, selector),
    effect,
    selector,
    origin: 'Operator',
    reason: 'test',
    createdAtMs: monotonicWallClock.nowMs(),
    expiresAtMs: 0,
  };
}

test('mail of a pool that sends it to another one leaves from there', async (context) => {
  const { pod, host } = await podFor(context, pools('a', 'b'));
  await pod.directives.put([order({ type: 'Reroute', pool: 'b' }, { pool: 'a' })]);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 1);
  await pod.send(['u@a.example']);
  await until('it is delivered', () => pod.told('delivered').length === 1);
  assert.deepEqual(
    host.taken.map(({ source }) => source),
    ['127.0.9.2'],
  );
});

test('two pools that each send mail to the other one do not stop the MTA: the mail leaves', async (context) => {
  const { pod } = await podFor(context, pools('a', 'b'));
  await pod.directives.put([
    order({ type: 'Reroute', pool: 'b' }, { pool: 'a' }),
    order({ type: 'Reroute', pool: 'a' }, { pool: 'b' }),
  ]);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 2);
  await pod.send(['u@a.example']);
  await until('it is delivered', () => pod.told('delivered').length === 1);
});
