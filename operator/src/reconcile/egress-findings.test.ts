import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile, type EgressReport, NOTHING_TO_REPORT, parseResources } from '@sluice/crds';
import type { FeedbackState } from '../feedback/mod.ts';
import { EgressFindings } from './egress-findings.ts';

const TEXT = `
apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: a}
spec:
  egress: {type: SOCKS5, socks5: {endpoint: {host: egress-a, port: 1080}, dialect: Connect}}
  sources: [{name: ip-1, address: 192.0.2.1, ehlo: a.example}, {name: ip-2, address: 192.0.2.2, ehlo: a.example}]
---
apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: b}
spec:
  sources: [{name: ip-1, address: 192.0.2.1, ehlo: a.example}]
---
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: p}
spec:
  default:
    limits: [{name: source-site, per: [Source, Site], connections: 10}]
    reactions: [{name: busy, match: {codes: [421]}, actions: [{type: Suspend, suspend: {per: [Source], for: 1h}}]}]
`;
const { config } = compile({ resources: parseResources(TEXT, 'x.yaml').resources });

const since = '2026-11-24T12:00:00Z';
const broken = {
  source: 'ip-1',
  address: '192.0.2.1',
  way: 'SOCKS5 egress-a:1080',
  since,
  reason: 'connection refused',
};
const suspension = {
  id: 'reaction suspend source=192.0.2.2',
  effect: 'Suspend',
  mail: 'source=192.0.2.2',
  source: '192.0.2.2',
  origin: 'Reaction',
  reason: 'reaction busy: 421 slow down',
  since,
} as const;

function reports(...all: readonly Partial<EgressReport>[]): FeedbackState {
  return {
    type: 'Known',
    sessions: all.map((report, index) => ({
      session: `s${index}`,
      facts: { host: `mta-${index}`, version: '1', configHash: 'h', state: 'ready' },
      report: { ...NOTHING_TO_REPORT, ...report },
    })),
  };
}

test('a source that pods cannot connect from is told at its pool, with how many say so, and at no pool that uses another way', () => {
  const later = { ...broken, since: '2026-11-24T12:05:00Z', reason: 'no answer in time' };
  const findings = new EgressFindings(reports({ unreachable: [later] }, { unreachable: [broken] }), config);
  const { way, reason } = broken;
  assert.deepEqual(findings.of('EgressPool/a'), {
    sources: [{ name: 'ip-1', unreachable: { way, pods: 2, since, reason } }],
  });
  assert.deepEqual(findings.of('EgressPool/b'), {});
  assert.equal(findings.unreachableSources, 1);
});

test('what a reaction suspends is told once at the source and at the policy that has the reaction, however many pods know of it', () => {
  const all = reports({ suspensions: [suspension] }, { suspensions: [suspension] });
  const findings = new EgressFindings(all, config);
  const { id: _, source: __, ...told } = suspension;
  assert.deepEqual(findings.of('EgressPool/a'), { sources: [{ name: 'ip-2', suspensions: [told] }] });
  assert.deepEqual(findings.of('ShapingPolicy/p'), { suspensions: [told] });
  assert.deepEqual(findings.of('EgressPool/b'), {});
});

test('what is given by hand for a pool is told there, and what bounds a limit at the policy that names it', () => {
  const hold = {
    ...suspension,
    id: '1',
    effect: 'Hold',
    mail: 'pool=b',
    pool: 'b',
    reason: 'by hand: audit',
  };
  const { source: _, ...ofPool } = { ...hold, origin: 'Operator' as const };
  const scale = {
    ...ofPool,
    id: '2',
    effect: 'SetLimit',
    limitName: 'source-site',
    mail: 'tenant=x',
    pool: 'zz',
  };
  const findings = new EgressFindings(reports({ suspensions: [ofPool, scale] }), config);
  assert.deepEqual(
    findings.of('EgressPool/b').suspensions?.map(({ effect }) => effect),
    ['Hold'],
  );
  assert.deepEqual(
    findings.of('ShapingPolicy/p').suspensions?.map(({ limitName }) => limitName),
    ['source-site'],
  );
});

test('however much is wrong a status stays small, and says that there is more', () => {
  const resources = parseResources(
    `{apiVersion: sluice.email/v1alpha1, kind: EgressPool, metadata: {name: big}, spec: {sources: [${Array.from(
      { length: 100 },
      (_, index) => `{name: s${index}, address: 192.0.2.${index}, ehlo: a.example}`,
    ).join()}]}}`,
    'x.yaml',
  ).resources;
  const unreachable = Array.from({ length: 100 }, (_, index) => ({
    ...broken,
    source: `s${index}`,
    address: `192.0.2.${index}`,
    way: 'Direct',
  }));
  const { sources, sourcesOmitted } = new EgressFindings(
    reports({ unreachable }),
    compile({ resources }).config,
  ).of('EgressPool/big');
  assert.deepEqual([sources?.length, sourcesOmitted], [32, 68]);
});
