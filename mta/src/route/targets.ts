import type { Network } from '../config/mod.ts';
import { noRoute, softened, transientNoRoute } from './no-route.ts';
import type { Resolver } from './resolver.ts';
import type { MxHost, NoRoute, Route } from './route.ts';
import { refusalOf } from './target-filter.ts';

export interface HostAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** One place to connect to. */
export interface Target {
  readonly host: MxHost;
  readonly address: HostAddress;
}

export interface TargetsOptions {
  readonly resolver: Pick<Resolver, 'lookup'>;
  readonly allowedTargets: readonly Pick<Network, 'contains'>[];
  /** In [0, 1). */
  readonly random: () => number;
}

/** An attempt ends after so many connections that failed: a set of dead hosts must not hold it for hours. */
export const MAX_TARGETS_PER_ATTEMPT = 10;

type Family = HostAddress['family'];

/** What one host has for one family. */
interface HostAddresses {
  readonly usable: readonly string[];
  /** `mx.example has the loopback address 127.0.0.1` */
  readonly refused: readonly string[];
  /** `A of mx.example: SERVFAIL` */
  readonly failure?: string;
  /** See `TimedAnswer`. */
  readonly doubtful: boolean;
}

/**
 * Targets of one attempt in the order to try them (RFC 5321 §5.1): hosts by preference, shuffled where preferences are equal; the
 * addresses of a host shuffled too, for the answer in memory has one order and would send all to the first. When there is
 * none, the one item is the {@link NoRoute} that says why.
 */
export async function* targetsOf(
  route: Route,
  family: Family,
  options: TargetsOptions,
): AsyncGenerator<Target | NoRoute> {
  const seen: HostAddresses[] = [];
  let targets = 0;
  for (const host of attemptOrder(route.hosts, options.random)) {
    const found = await addressesOf(host, route, family, options);
    seen.push(found);
    for (const address of shuffle(found.usable, options.random)) {
      yield { host, address: { address, family } };
      if (++targets === MAX_TARGETS_PER_ATTEMPT) return;
    }
  }
  if (targets === 0) yield await whyNone(route, family, seen, options);
}

async function addressesOf(
  host: MxHost,
  route: Route,
  family: Family,
  options: TargetsOptions,
): Promise<HostAddresses> {
  const literal = literalFamily(host.name);
  if (literal !== undefined) {
    return checked(host, route, literal === family ? [host.name] : [], false, options);
  }
  const type = family === 4 ? 'A' : 'AAAA';
  const { answer, doubtful } = await options.resolver.lookup(host.name, type);
  if (answer.kind === 'failure') {
    return { usable: [], refused: [], doubtful, failure: `${type} of ${host.name}: ${answer.reason}` };
  }
  return checked(host, route, answer.kind === 'records' ? answer.addresses : [], doubtful, options);
}

function checked(
  host: MxHost,
  route: Route,
  addresses: readonly string[],
  doubtful: boolean,
  options: TargetsOptions,
): HostAddresses {
  // The user wrote down where static routes lead; all others are led by strangers.
  if (route.origin === 'static') return { usable: addresses, refused: [], doubtful };
  const usable: string[] = [];
  const refused: string[] = [];
  for (const address of addresses) {
    const range = refusalOf(address, options.allowedTargets);
    if (range === undefined) usable.push(address);
    else refused.push(`${host.name} has the ${range} address ${address}`);
  }
  return { usable, refused, doubtful };
}

/** Looks at the other family too: only a domain that no source can reach fails for good. */
async function whyNone(
  route: Route,
  family: Family,
  seen: readonly HostAddresses[],
  options: TargetsOptions,
): Promise<NoRoute> {
  const { domain } = route;
  const other = family === 4 ? 6 : 4;
  const others = await Promise.all(route.hosts.map((host) => addressesOf(host, route, other, options)));
  const all = [...seen, ...others];
  const failed = (hosts: readonly HostAddresses[]) =>
    hosts.find((host) => host.failure !== undefined)?.failure;
  const otherFamily = others.some((host) => host.usable.length > 0);
  const failure = failed(seen) ?? (otherFamily ? undefined : failed(others));
  if (failure !== undefined) return noRoute('DnsFailure', domain, `DNS look-up failed, ${failure}`);
  if (otherFamily) {
    return noRoute(
      'OtherFamily',
      domain,
      `no host of ${domain} can be reached over IPv${family}, the only family of this source`,
    );
  }
  const [refused] = all.flatMap((host) => host.refused);
  const none =
    refused === undefined
      ? noAddress(route)
      : noRoute('Forbidden', domain, `mail is not sent there: ${refused}`);
  return all.some((host) => host.doubtful) ? softened(none) : none;
}

function noAddress({ domain, origin }: Route): NoRoute {
  const decide = origin === 'static' ? transientNoRoute : noRoute;
  return decide('NoAddress', domain, `no host of ${domain} has an address`);
}

function literalFamily(name: string): Family | undefined {
  if (name.includes(':')) return 6;
  return /^[0-9.]+$/.test(name) ? 4 : undefined;
}

function attemptOrder(hosts: readonly MxHost[], random: () => number): readonly MxHost[] {
  if (hosts.length < 2) return hosts;
  // A stable sort keeps the shuffled order inside a preference.
  return shuffle(hosts, random).sort((a, b) => a.preference - b.preference);
}

/** Fisher-Yates, on a copy. */
function shuffle<T>(values: readonly T[], random: () => number): T[] {
  const shuffled = [...values];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const at = Math.floor(random() * (last + 1));
    const value = shuffled[at]!;
    shuffled[at] = shuffled[last]!;
    shuffled[last] = value;
  }
  return shuffled;
}
