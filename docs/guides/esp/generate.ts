import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Writes what docs/guides/esp.md explains: `pools.yaml` with 12 pools of 200 addresses beside this file, and with a directory
 * as argument a whole configuration there, with 3,000 tenants. An ESP does the same from its database of customers.
 *
 * Example: `node docs/guides/esp/generate.ts /tmp/esp`
 */

interface Pool {
  readonly name: string;
  readonly why: string;
  /** Condition of its only entry of `match`, as YAML. */
  readonly match: string;
  readonly sources: number;
  readonly cold?: number;
}

const FIRST_ADDRESS = 10;
const TENANTS = 3_000;
const SHARED = ['a', 'b', 'c', 'd', 'e'];

const POOLS: readonly Pool[] = [
  {
    name: 'transactional',
    why: 'Passwords, receipts, alerts of every tenant: never behind a newsletter.',
    match: 'priority: 300, classes: [transactional]',
    sources: 24,
  },
  {
    name: 'dedicated-acme',
    why: 'Addresses that one customer pays for.',
    match: 'priority: 200, tenants: [acme]',
    sources: 16,
  },
  {
    name: 'dedicated-globex',
    why: 'Addresses that one customer pays for.',
    match: 'priority: 200, tenants: [globex]',
    sources: 8,
  },
  {
    name: 'new',
    why: 'Customers of the last 30 days, whatever they pay: nobody knows their lists yet.',
    match: 'priority: 150, tenantSelector: { matchLabels: { stage: new } }',
    sources: 8,
  },
  {
    name: 'free',
    why: 'Free accounts, apart from those who pay.',
    match: 'priority: 100, tenantSelector: { matchLabels: { plan: free } }',
    sources: 16,
  },
  {
    name: 'premium',
    why: 'Customers with clean lists.',
    match: 'priority: 100, tenantSelector: { matchLabels: { plan: premium } }',
    sources: 20,
  },
  ...SHARED.map((letter) => ({
    name: `shared-${letter}`,
    why: 'A fifth of the other customers: one bad list harms a fifth of them, not all.',
    match: `priority: 100, tenantSelector: { matchLabels: { pool: ${letter} } }`,
    sources: 20,
    cold: 2,
  })),
  {
    name: 'rest',
    why: 'Whoever is forgotten above: mail without a tenant, a tenant without labels.',
    match: 'priority: -1000',
    sources: 8,
  },
];

function pools(): string {
  let next = FIRST_ADDRESS;
  const documents = POOLS.map(({ name, why, match, sources, cold = 0 }) => {
    const lines = Array.from({ length: sources }, (_, index) => {
      const host = next++;
      const age = index < sources - cold ? 'warm' : 'cold';
      return `    - { name: ip-${host}, address: 198.51.100.${host}, ehlo: out-${host}.esp.example, labels: { age: ${age} } }`;
    });
    return [
      `# ${why}`,
      'apiVersion: sluice.email/v1alpha1',
      'kind: EgressPool',
      `metadata: { name: ${name} }`,
      'spec:',
      `  match: [{ name: ${name}, ${match} }]`,
      '  egress: { type: Bind, bind: {} }',
      '  sources:',
      ...lines,
      '',
    ].join('\n');
  });
  return `# Written by generate.ts, explained in ../esp.md.\n${documents.join('---\n')}`;
}

/** Two of five are free, one of thirty is premium, one of twenty-five is new; the others are spread over the shared pools. */
function labelsOf(tenant: number): string {
  const stage = tenant % 25 === 0 ? ', stage: new' : '';
  if (tenant % 5 < 2) return `{plan: free${stage}}`;
  if (tenant % 30 === 2) return `{plan: premium${stage}}`;
  return `{plan: pro, pool: ${SHARED[Math.floor(tenant / 5) % SHARED.length]}${stage}}`;
}

function tenants(): readonly string[] {
  const numbered = Array.from({ length: TENANTS - 2 }, (_, index) => {
    const name = `t${String(index + 1).padStart(4, '0')}`;
    return `  - {name: ${name}, labels: ${labelsOf(index + 1)}, senderDomains: [${name}.customer.example]}`;
  });
  return ['acme', 'globex']
    .map((name) => `  - {name: ${name}, labels: {plan: dedicated}, senderDomains: [${name}.example]}`)
    .concat(numbered);
}

function settings(): string {
  return [
    'apiVersion: sluice.email/v1alpha1',
    'kind: MtaConfig',
    'spec:',
    '  hostname: mta1.esp.example',
    '  listeners:',
    '    smtp:',
    '    - {name: submission, address: 127.0.0.1:2525, relayNetworks: [127.0.0.0/8]}',
    '  spool: {type: SQLite, sqlite: {path: spool.db}}',
    '  classes:',
    '  - {name: transactional, priority: 100}',
    '  - {name: bulk, priority: 0}',
    '  resources: {directory: resources}',
    '  tenants:',
    ...tenants(),
    '',
  ].join('\n');
}

const HERE = fileURLToPath(new URL('.', import.meta.url));
const [directory] = process.argv.slice(2);
if (directory === undefined) writeFileSync(join(HERE, 'pools.yaml'), pools());
else {
  mkdirSync(join(directory, 'resources'), { recursive: true });
  writeFileSync(join(directory, 'sluice.yaml'), settings());
  writeFileSync(join(directory, 'resources', 'pools.yaml'), pools());
}
