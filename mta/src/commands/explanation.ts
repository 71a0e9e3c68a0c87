import {
  type EffectiveLimit,
  type EgressConfig,
  type ExplainedDestination,
  type ExplainedLimit,
  explainBounds,
  explainPolicy,
  type Facts,
  type LimitField,
  type Origin,
  type RemovedLimit,
  type SourceConfig,
  selectMatch,
  type TlsLevel,
} from '@sluice/crds';
import { domainOf } from '../spool/mod.ts';
import { type Spelled, spelledField, spelledValue } from './spelling.ts';

/** The mail that is asked about; `''` = it has none. */
export interface MailFacts {
  readonly recipient: string;
  readonly sender: string;
  readonly tenant: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly campaign: string;
  readonly class: string;
}

/** Where the domain's mail goes, or the reply with which it goes nowhere. */
export type WayThere =
  | {
      /** `given` with --mx. */
      readonly origin: 'mx' | 'implicit' | 'static' | 'literal' | 'given';
      readonly site: string;
      readonly hosts: readonly {
        readonly name: string;
        readonly preference: number;
        readonly port: number;
      }[];
      /** Of a `routes` entry of sluice.yaml: in place of the policy's. */
      readonly tlsLevel?: TlsLevel;
    }
  | { readonly noRoute: string };

/** Who says a value: a policy's layer, or `spec.routes` of sluice.yaml. */
export type ValueOrigin = Origin | 'routes';

export interface OptionRow {
  /** As users write it: `session.timeouts.connect`. */
  readonly field: string;
  readonly value: Spelled;
  readonly from: ValueOrigin;
}

export interface ReactionRow {
  readonly name: string;
  /** `match.*`, `trigger` and `actions`. */
  readonly fields: readonly (OptionRow & { readonly from: Origin })[];
}

export interface BoundRow {
  readonly bound: string;
  readonly value: Spelled;
  readonly from?: Origin;
  readonly override?: string;
  readonly rival?: string;
}

/** How a limit meets some of the pool's sources. */
export interface LimitForSources {
  readonly sources: readonly string[];
  readonly bounds: readonly BoundRow[];
  /** Why no bound applies. */
  readonly reason?: 'NoValue' | 'When' | 'Unlimited';
  /** With `NoValue`: the field of `per` that the mail has no value for. */
  readonly missing?: LimitField;
}

export interface LimitRow {
  readonly name: string;
  readonly per: readonly LimitField[];
  readonly scope: 'Cluster' | 'Pod';
  readonly when?: Spelled;
  /** Sources that it binds alike stand together. */
  readonly for: readonly LimitForSources[];
}

/** What `sluice explain --json` prints. */
export interface Explanation {
  readonly mail: MailFacts & { readonly domain: string };
  readonly route: WayThere;
  /** Absent = no pool matches: such mail is refused. */
  readonly pool?: {
    readonly name: string;
    readonly match: string;
    readonly priority: number;
    readonly strategy: string;
    readonly onRetry: string;
    readonly urgency: string;
    readonly fallbackPool?: string;
  };
  readonly sources: readonly SourceConfig[];
  /** `''` = it belongs to none. */
  readonly group: string;
  readonly destinations: readonly ExplainedDestination[];
  readonly options: readonly OptionRow[];
  readonly limits: readonly LimitRow[];
  readonly removed: readonly RemovedLimit[];
  readonly reactions: readonly ReactionRow[];
}

/** Says what becomes of a mail, and who decided it. Pure. */
export function explainMail(config: EgressConfig, mail: MailFacts, route: WayThere): Explanation {
  const domain = domainOf(mail.recipient);
  const head = { mail: { ...mail, domain }, route };
  const match = selectMatch(config, {
    tenant: mail.tenant.name,
    tenantLabels: mail.tenant.labels,
    class: mail.class,
    fromDomain: mail.sender === '' ? '' : domainOf(mail.sender),
    recipientDomain: domain,
  });
  const pool = config.pools.find(({ name }) => name === match?.pool);
  if (match === undefined || pool === undefined)
    return {
      ...head,
      sources: [],
      group: '',
      destinations: [],
      options: [],
      limits: [],
      removed: [],
      reactions: [],
    };
  const hosts = bestHosts(route);
  const explained = explainPolicy(config, pool.name, domain, hosts);
  const facts = {
    pool: pool.name,
    site: 'site' in route ? route.site : '',
    group: explained.policy.group,
    domain,
    mxHost: hosts[0] ?? '',
    tenant: mail.tenant.name,
    tenantLabels: mail.tenant.labels,
    campaign: mail.campaign,
    class: mail.class,
  };
  return {
    ...head,
    pool: {
      name: pool.name,
      match: match.name,
      priority: match.priority,
      ...pool.selection,
      urgency: pool.urgency,
      ...(pool.fallbackPool === undefined ? {} : { fallbackPool: pool.fallbackPool }),
    },
    sources: pool.sources,
    group: explained.policy.group,
    destinations: explained.destinations,
    options: explained.options.map(({ field, value, from }) => {
      const routed = field === 'session.tls.level' && 'site' in route ? route.tlsLevel : undefined;
      const row = { field: spelledField(field), value: spelledValue(field, value), from };
      return routed === undefined ? row : { ...row, value: routed, from: 'routes' };
    }),
    limits: explained.limits.map((limit) => limitRow(limit, pool.sources, facts)),
    removed: explained.removed,
    reactions: explained.reactions.map(({ reaction, fields }) => ({
      name: reaction.name,
      fields: fields.map(({ field, value, from }) => ({ field, value: spelledValue(field, value), from })),
    })),
  };
}

function bestHosts(route: WayThere): readonly string[] {
  if ('noRoute' in route) return [];
  const best = route.hosts[0]?.preference;
  return route.hosts.filter(({ preference }) => preference === best).map(({ name }) => name);
}

type SourcelessFacts = Omit<Facts, 'sourceAddress' | 'sourceName' | 'sourceLabels'>;

function limitRow(
  explained: ExplainedLimit,
  sources: readonly SourceConfig[],
  facts: SourcelessFacts,
): LimitRow {
  const { name, per, scope, when }: EffectiveLimit = explained.limit;
  const bySource = sources.map((source) => ({
    source: source.name,
    met: metBy(explained, {
      ...facts,
      sourceAddress: source.address,
      sourceName: source.name,
      sourceLabels: source.labels,
    }),
  }));
  const alike = Map.groupBy(bySource, ({ met }) => JSON.stringify(met));
  return {
    name,
    per,
    scope,
    ...(when === undefined ? {} : { when: spelledValue('when', when) }),
    for: [...alike.values()].flatMap((group) => {
      const [first] = group;
      return first === undefined ? [] : [{ sources: group.map(({ source }) => source), ...first.met }];
    }),
  };
}

function metBy(explained: ExplainedLimit, facts: Facts): Omit<LimitForSources, 'sources'> {
  const met = explainBounds(explained, facts);
  if (!met.applies)
    return { bounds: [], reason: met.reason, ...('field' in met ? { missing: met.field } : {}) };
  return { bounds: met.bounds.map((bound) => ({ ...bound, value: spelledValue(bound.bound, bound.value) })) };
}
