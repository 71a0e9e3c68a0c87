import { type Behaviour, PROVIDERS } from '@sluice/mta/sink';

/** One provider of the fake internet: who receives for which domains, and what it tolerates. */
export interface Provider {
  /** Short name for tables. */
  readonly name: string;
  readonly domains: readonly string[];
  /** Hosts with their MX preference. All hosts of a provider share one ledger. */
  readonly hosts: readonly {
    readonly name: string;
    readonly preference: number;
    readonly behaviour: Behaviour;
  }[];
}

export interface InternetShape {
  /** Microsoft-365-like tenants: a domain and a host each, and no host takes another's mail. */
  readonly microsoftTenants: number;
  readonly smallHosts: number;
}

export const DEMO_SHAPE: InternetShape = { microsoftTenants: 500, smallHosts: 60 };

/** The big four and the long tail; names of hosts as the real ones have them, so that real policies match. */
export function providers(shape: InternetShape): readonly Provider[] {
  return [
    {
      name: 'gmail',
      domains: ['gmail.com', 'googlemail.com'],
      hosts: [
        host('gmail-smtp-in.l.google.com', 5, PROVIDERS.gmail),
        host('alt1.gmail-smtp-in.l.google.com', 10, PROVIDERS.gmail),
      ],
    },
    {
      name: 'yahoo',
      domains: ['yahoo.com', 'aol.com'],
      hosts: [5, 6, 7].map((number) => host(`mta${number}.am0.yahoodns.net`, 1, PROVIDERS.yahoo)),
    },
    {
      name: 'outlook',
      domains: ['outlook.com', 'hotmail.com', 'live.com'],
      hosts: [host('outlook-com.olc.protection.outlook.com', 5, PROVIDERS.outlook)],
    },
    ...Array.from({ length: shape.microsoftTenants }, (_, number) => microsoftTenant(number)),
    ...Array.from({ length: shape.smallHosts }, (_, number) => smallHost(number)),
  ];
}

/** Domain of a Microsoft-365-like tenant: `company-17.example`. */
export function microsoftDomain(number: number): string {
  return `company-${number}.example`;
}

export function smallDomain(number: number): string {
  return `shop-${number}.example`;
}

function host(
  name: string,
  preference: number,
  preset: (hostname: string) => Behaviour,
): Provider['hosts'][number] {
  return { name, preference, behaviour: preset(name) };
}

function microsoftTenant(number: number): Provider {
  const domain = microsoftDomain(number);
  return {
    name: 'microsoft-365',
    domains: [domain],
    hosts: [
      host(`${domain.replaceAll('.', '-')}.mail.protection.outlook.com`, 0, PROVIDERS['microsoft-365']),
    ],
  };
}

/** Small hosts differ: most greylist, every fifth is slow, every seventh dies now and then, every eleventh has a second MX that is dead. */
function smallHost(number: number): Provider {
  const domain = smallDomain(number);
  const name = `mail.${domain}`;
  const base = PROVIDERS.small(name);
  const { greylistMs, ...eager } = base;
  const patient = number % 2 === 0 && greylistMs !== undefined ? base : eager;
  const slow = number % 5 === 4 ? { ...patient, latencyMs: 50 } : patient;
  const behaviour = number % 7 === 6 ? { ...slow, dying: { afterMessages: 40, downMs: 3000 } } : slow;
  return { name: 'small', domains: [domain], hosts: [{ name, preference: 10, behaviour }] };
}
