import type { Facts, PoolConfig, SourceConfig } from '@sluice/crds';
import type { LaneId } from '../queue/mod.ts';
import { type Directive, type Selector, selects } from '../react/mod.ts';
import { bestPreferenceHosts, type NoRoute } from '../route/mod.ts';
import type { LimitKey, LookedKey } from '../shape/mod.ts';
import { keysFor } from './carried-unit.ts';
import type { Destination } from './destinations.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { LaneDriver } from './lane-driver.ts';
import { type LaneView, laneView, replyLine } from './lane-view.ts';
import { type Lane, UNROUTED } from './lanes.ts';
import { unitOrder } from './mail-order.ts';

/** Sources of a pool that are looked at unless one is named: those that the pool lists first. */
export const MAX_VIEWED_SOURCES = 50;
/** Limits of one view; what comes after is only counted. */
export const MAX_VIEWED_LIMITS = 250;
/** Hosts of the best preference whose own limits are looked at. */
const MAX_VIEWED_HOSTS = 5;
const MAX_VIEWED_DIRECTIVES = 50;
/** Replies and reasons are cut. */
const MAX_TEXT_LENGTH = 500;

/** Mail of one kind. A field that is absent is not asked about: it has none, and queued mail with any value counts. */
export interface MailQuestion {
  readonly domain: string;
  readonly sender: string;
  readonly tenant?: string;
  readonly campaign?: string;
  readonly class?: string;
  /** Only this source, by name or public address. */
  readonly source?: string;
}

/** A source as the lane of the mail sees it on this pod. */
export interface SourceView {
  readonly name: string;
  readonly address: string;
  readonly state: SourceConfig['state'];
  readonly connections: number;
  /** Id of the directive that keeps this mail from it. */
  readonly suspendedBy?: string;
  /** It opens no connection for so long: the site refused it, or it cannot connect. */
  readonly restsMs?: number;
  /** Id of the key whose slot or connection rate this pod waits for. */
  readonly waitsFor?: string;
}

/** A limit of the mail, resolved for some sources. */
export interface LimitView extends LookedKey {
  readonly id: string;
  readonly limitName: string;
  readonly scope: LimitKey['scope'];
  /** In force: the policy's as directives change them. */
  readonly bounds: LimitKey['bounds'];
  /** Names of the sources through which the mail meets it. */
  readonly sources: readonly string[];
}

/** Queued mail of the kind. */
export interface MailCounts {
  readonly ready: number;
  readonly asleep: number;
  readonly waiting: number;
  readonly inFlight: number;
  readonly oldestAgeMs: number;
  /** Of what waits for its time; absent = nothing does. */
  readonly nextDueInMs?: number;
}

/** What stands between mail of one kind and its host, on this pod. */
export interface MailView {
  /** Of the configuration in force. */
  readonly configHash: string;
  /** `''` = no pool matches. */
  readonly pool: string;
  /** `''` = the route is not known. */
  readonly site: string;
  readonly group: string;
  /** Why there is no route: the reply that mail gets. */
  readonly noRoute?: string;
  /** What directives say of the mail before a source is chosen. */
  readonly order: {
    readonly kind: 'carry' | 'wait' | 'bounce' | 'reroute';
    readonly directive?: string;
    readonly pool?: string;
  };
  /** Absent = this pod has no mail and no connection there. */
  readonly lane?: LaneView;
  /** Connections that the lane wants for what is ready. `probing` = a single one, until the site takes a message. */
  readonly demand?: { readonly wanted: number; readonly probing: boolean };
  readonly mail: MailCounts;
  readonly sources: readonly SourceView[];
  readonly moreSources: number;
  readonly limits: readonly LimitView[];
  readonly moreLimits: number;
  /** Those that choose this mail, or a limit of it. */
  readonly directives: readonly Directive[];
}

/** Looks at what is known of mail of one kind, and changes nothing. A route that is not known is looked up, for at most `withinMs`. */
export async function viewMail(
  context: DispatchContext,
  findLane: (id: LaneId) => Lane | undefined,
  question: MailQuestion,
  withinMs: number,
): Promise<MailView> {
  const { domain, sender, tenant = '', class: mailClass = '' } = question;
  const { router } = context;
  if (router.peek(domain) === undefined) {
    const looked = router.resolve(domain).catch(() => {});
    await Promise.race([looked, new Promise((resolve) => setTimeout(resolve, withinMs).unref())]);
  }
  const { pools, poolChoice, destinations } = context.generation();
  const pool = pools.get(poolChoice.poolFor({ tenant, class: mailClass, sender }, domain));
  const found = pool === undefined ? undefined : destinations.peek(pool.name, domain);
  return mailView(context, findLane, pool, question, found);
}

/** `found` = where its domain goes, as the router says. */
function mailView(
  context: DispatchContext,
  findLane: (id: LaneId) => Lane | undefined,
  pool: PoolConfig | undefined,
  question: MailQuestion,
  found: Destination | NoRoute | undefined,
): MailView {
  const { config, directives } = context.generation();
  const destination = found !== undefined && 'policy' in found ? found : undefined;
  const noRoute = found !== undefined && 'reply' in found ? found.reply : undefined;
  const lanes = lanesOf(context, pool?.name ?? '', question.domain, destination);
  const [lane] = lanes;
  const driver = lane === undefined ? undefined : findLane(lane);
  const head = {
    configHash: config.hash,
    pool: pool?.name ?? '',
    site: destination?.route.site ?? '',
    group: destination?.policy.group ?? '',
    ...(noRoute !== undefined && { noRoute: replyLine(noRoute).slice(0, MAX_TEXT_LENGTH) }),
    ...(lane !== undefined && { lane: cut(laneView(context, lane, driver)) }),
    ...(driver instanceof LaneDriver && { demand: driver.demand }),
    mail: countsOf(context, lanes, question),
  };
  if (pool === undefined)
    return { ...head, order: { kind: 'carry' }, ...NO_SOURCES, limits: [], moreLimits: 0, directives: [] };
  const chosen = pool.sources.filter(
    ({ name, address }) =>
      question.source === undefined || question.source === name || question.source === address,
  );
  const sources = chosen.slice(0, MAX_VIEWED_SOURCES);
  const facts = factsOf(context, pool.name, question, destination);
  const hosts = destination === undefined ? [] : bestPreferenceHosts(destination.route);
  const limits = limitsOf(context, destination, facts, sources, hosts.slice(0, MAX_VIEWED_HOSTS));
  return {
    ...head,
    order: orderOf(context, pool.name, question),
    sources: sources.map((source) =>
      sourceView(
        source,
        driver instanceof LaneDriver ? driver : undefined,
        directives.find('Suspend', withSource(facts, source))?.id,
        context.clock.nowMs(),
      ),
    ),
    moreSources: chosen.length - sources.length,
    limits: limits.slice(0, MAX_VIEWED_LIMITS),
    moreLimits: Math.max(0, limits.length - MAX_VIEWED_LIMITS),
    directives: directives.directives
      .filter(({ selector }) => touches(selector, facts, sources, hosts))
      .slice(0, MAX_VIEWED_DIRECTIVES),
  };
}

const NO_SOURCES = { sources: [], moreSources: 0 } as const;

type SourcelessFacts = Omit<Facts, 'sourceAddress' | 'sourceName' | 'sourceLabels'>;

function factsOf(
  { tenantLabels }: DispatchContext,
  pool: string,
  question: MailQuestion,
  destination: Destination | undefined,
): SourcelessFacts {
  const { domain, tenant = '', campaign = '', class: mailClass = '' } = question;
  return {
    pool,
    site: destination?.route.site ?? '',
    group: destination?.policy.group ?? '',
    domain,
    mxHost: '',
    tenant,
    tenantLabels: tenantLabels(tenant),
    campaign,
    class: mailClass,
  };
}

function withSource(facts: SourcelessFacts, { address, name, labels }: SourceConfig): Facts {
  return { ...facts, sourceAddress: address, sourceName: name, sourceLabels: labels };
}

/** The lane of the mail, and the one in which it is while its route is not known. */
function lanesOf(
  { queue }: DispatchContext,
  pool: string,
  domain: string,
  destination: Destination | undefined,
): readonly LaneId[] {
  const names = [destination?.laneSite, UNROUTED + domain];
  return [...queue.lanes()]
    .filter((id) => {
      const key = queue.laneKey(id);
      return key.pool === pool && names.includes(key.site);
    })
    .sort((a, b) => names.indexOf(queue.laneKey(a).site) - names.indexOf(queue.laneKey(b).site));
}

function countsOf(
  { queue, clock }: DispatchContext,
  lanes: readonly LaneId[],
  { domain, tenant, campaign, class: mailClass }: MailQuestion,
): MailCounts {
  const nowMs = clock.nowMs();
  const counts = { ready: 0, asleep: 0, waiting: 0, inFlight: 0, oldestAgeMs: 0 };
  let nextDueAtMs = Number.POSITIVE_INFINITY;
  for (const unit of lanes.flatMap((lane) => [...queue.unitsOf(lane)])) {
    const key = queue.unitKey(unit);
    if (
      key.domain !== domain ||
      (tenant ?? key.tenant) !== key.tenant ||
      (campaign ?? key.campaign) !== key.campaign ||
      (mailClass ?? key.class) !== key.class
    )
      continue;
    const of = queue.unitCounts(unit);
    counts.ready += of.ready;
    counts.asleep += of.asleep;
    counts.waiting += of.waiting;
    counts.inFlight += of.taken;
    if (of.oldestAcceptedAtMs > 0)
      counts.oldestAgeMs = Math.max(counts.oldestAgeMs, Math.round(nowMs - of.oldestAcceptedAtMs));
    if (of.nextDueAtMs > 0) nextDueAtMs = Math.min(nextDueAtMs, of.nextDueAtMs);
  }
  if (nextDueAtMs === Number.POSITIVE_INFINITY) return counts;
  return { ...counts, nextDueInMs: Math.max(0, Math.round(nextDueAtMs - nowMs)) };
}

function orderOf(context: DispatchContext, pool: string, question: MailQuestion): MailView['order'] {
  const { domain, tenant = '', campaign = '', class: mailClass = '' } = question;
  const key = { pool, domain, tenant, campaign, class: mailClass, preferredSource: '' };
  const order = unitOrder(context.generation(), key);
  if (order.kind === 'carry') return { kind: 'carry' };
  if (order.kind === 'reroute') return { kind: 'reroute', pool: order.pool };
  return { kind: order.kind, directive: order.directive.id };
}

function sourceView(
  { name, address, state }: SourceConfig,
  driver: LaneDriver | undefined,
  suspendedBy: string | undefined,
  nowMs: number,
): SourceView {
  const used = driver?.usedSource(name);
  const restsMs = used === undefined ? 0 : used.restsUntilMs - nowMs;
  return {
    name,
    address,
    state,
    connections: used?.connections ?? 0,
    ...(suspendedBy !== undefined && { suspendedBy }),
    ...(restsMs > 0 && { restsMs: Math.round(restsMs) }),
    ...(used?.connectionBlocked && used.waitsFor !== '' && { waitsFor: used.waitsFor }),
  };
}

/** Every limit that the next message meets, each once, in the order in which sources and policies have them. */
function limitsOf(
  context: DispatchContext,
  destination: Destination | undefined,
  facts: SourcelessFacts,
  sources: readonly SourceConfig[],
  hosts: readonly string[],
): readonly LimitView[] {
  if (destination === undefined) return [];
  const met = new Map<string, { readonly key: LimitKey; readonly sources: Set<string> }>();
  for (const source of sources) {
    for (const mxHost of ['', ...hosts]) {
      const keys = keysFor(context.generation(), destination, { ...withSource(facts, source), mxHost });
      for (const set of [keys.connection, keys.host, keys.carrying, keys.transaction]) {
        for (const key of set.keys) {
          const known = met.get(key.id) ?? { key, sources: new Set<string>() };
          known.sources.add(source.name);
          met.set(key.id, known);
        }
      }
    }
  }
  const nowMs = context.clock.nowMs();
  return Array.from(met.values(), ({ key, sources: names }) => ({
    id: key.id,
    limitName: key.limitName,
    scope: key.scope,
    bounds: key.bounds,
    sources: [...names],
    ...context.shaper.look(key, nowMs),
  }));
}

/** Whether a selector chooses the mail through one of the sources and to one of the hosts. */
function touches(
  { source, mxHost, ...rest }: Selector,
  facts: SourcelessFacts,
  sources: readonly SourceConfig[],
  hosts: readonly string[],
): boolean {
  const bySource =
    source === undefined || sources.some(({ name, address }) => name === source || address === source);
  const byHost = mxHost === undefined || hosts.includes(mxHost);
  return bySource && byHost && selects(rest, facts);
}

/** Hosts decide how long a reply is. */
function cut(view: LaneView): LaneView {
  if (view.lastReply === undefined) return view;
  return { ...view, lastReply: view.lastReply.slice(0, MAX_TEXT_LENGTH) };
}
