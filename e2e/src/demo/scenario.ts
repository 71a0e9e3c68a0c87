import type { Weighted } from '@sluice/mta/blast';
import { resource } from '../harness/sluice-process.ts';
import { DEMO_SHAPE, microsoftDomain, smallDomain } from '../internet/providers.ts';
import type { AllowedRate } from '../judge/limit-check.ts';

/** What the demo's policy allows each source, by provider; the resources below are made from it and the judge reads it. */
export const ALLOWED: Readonly<Record<string, AllowedRate>> = {
  gmail: { connections: 5, recipientsPerSecond: 200, burst: 20 },
  yahoo: { connections: 3, recipientsPerSecond: 80, burst: 8 },
  outlook: { connections: 4, recipientsPerSecond: 100, burst: 10 },
  'microsoft-365': { connections: 20, recipientsPerSecond: 300, burst: 30 },
  small: { connections: 2, recipientsPerSecond: 20, burst: 5 },
};

export const SOURCES = ['127.0.1.1', '127.0.1.2'] as const;

/** The pool with two addresses and the policy that refines the provider library by its names. */
export const RESOURCES = {
  'pool.yaml': [
    resource('EgressPool', 'main', {
      match: [{ name: 'everything' }],
      sources: SOURCES.map((address, index) => ({
        name: `ip-${index + 1}`,
        address,
        ehlo: `out${index + 1}.esp.example`,
        egress: { type: 'Bind', bind: { address } },
      })),
    }),
  ],
  'policy.yaml': [
    resource('ShapingPolicy', 'providers', {
      default: {
        retry: { delays: ['3s', '5s', '10s', '30s'], expireAfter: '1h' },
        limits: [{ name: 'source-site', per: ['Source', 'Site'], ...bounds('small') }],
      },
      destinations: [
        group('google', 'gmail'),
        group('yahoo', 'yahoo'),
        group('microsoft-consumer', 'outlook'),
        group('microsoft-365', 'microsoft-365'),
      ],
    }),
  ],
};

/**
 * A Group of the provider library, which says which MX hosts are meant: one limit for all its sites together, none for each site, and
 * no certificate asked for, because the hosts of the demo have none.
 */
function group(name: string, provider: string): unknown {
  return {
    name,
    session: { tls: { level: 'Opportunistic' } },
    limits: [
      { name: 'source-site', state: 'Disabled' },
      { name: 'source-group', per: ['Source', 'Group'], ...bounds(provider) },
    ],
  };
}

function bounds(provider: string): { connections: number; recipientRate: string; burst: number } {
  const allowed = ALLOWED[provider];
  if (allowed === undefined) throw new RangeError(`no limits for ${provider}`);
  return {
    connections: allowed.connections,
    recipientRate: `${allowed.recipientsPerSecond}/s`,
    burst: allowed.burst,
  };
}

/** Where the demo's mail goes: a third to Gmail, the rest as large senders see it. */
export const DOMAINS: readonly Weighted<string>[] = [
  { value: 'gmail.com', weight: 30 },
  { value: 'googlemail.com', weight: 3 },
  { value: 'yahoo.com', weight: 15 },
  { value: 'aol.com', weight: 5 },
  { value: 'outlook.com', weight: 8 },
  { value: 'hotmail.com', weight: 8 },
  ...spread(DEMO_SHAPE.microsoftTenants, 20, microsoftDomain),
  ...spread(DEMO_SHAPE.smallHosts, 11, smallDomain),
];

function spread(count: number, weight: number, domain: (number: number) => string): Weighted<string>[] {
  return Array.from({ length: count }, (_, number) => ({ value: domain(number), weight: weight / count }));
}
