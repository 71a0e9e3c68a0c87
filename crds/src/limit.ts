import { z } from 'zod';
import { anyOfRule, type CelRule, notEmpty, withRules } from './cel-rule.ts';
import {
  countBound,
  domainName,
  entryName,
  labelSelector,
  listOf,
  rateBound,
  resourceName,
  word,
} from './schema-fields.ts';
import { FIELD_OF_MEMBER } from './when.ts';

export const MAX_OVERRIDES = 16;

/** Fields of `per`, in the order in which a counter's identity names them. */
export const LIMIT_FIELDS = [
  'Pool',
  'Source',
  'Site',
  'Group',
  'Domain',
  'MxHost',
  'Tenant',
  'Campaign',
  'Class',
] as const;

/** Members of a limit that bound something, or say how. */
export const BOUND_NAMES = [
  'connections',
  'connectionRate',
  'recipientRate',
  'messageRate',
  'byteRate',
  'burst',
] as const;

/** At least one bound is there. */
export const boundRule = anyOfRule(BOUND_NAMES, 'it changes no bound');

/** A condition may only ask about what the counter is kept for: for each member of `when` its field of `per`. */
function whenRules(list: 'when' | 'overrides'): readonly CelRule[] {
  return Object.entries(FIELD_OF_MEMBER).map(([member, field]) => {
    const silent =
      list === 'when'
        ? `!has(self.when) || !has(self.when.${member})`
        : `!has(self.overrides) || self.overrides.all(o, !has(o.when.${member}))`;
    return {
      rule: `!has(self.per) || '${field}' in self.per || ${silent}`,
      message: `${list === 'when' ? 'when' : 'when of an override'} asks about ${field}, which is not in per`,
    };
  });
}

/** `when`: every member present must hold; inside a list any. */
const when = notEmpty(
  z.strictObject({
    pools: listOf(resourceName).exactOptional().describe('Names of pools.'),
    sources: listOf(entryName).exactOptional().describe('Names of sources.'),
    sourceSelector: labelSelector.exactOptional().describe('Labels of the source.'),
    groups: listOf(entryName).exactOptional().describe('Names of Groups.'),
    domains: listOf(domainName).exactOptional().describe('Domains of recipients.'),
    tenants: listOf(word).exactOptional().describe('Names of tenants.'),
    tenantSelector: labelSelector.exactOptional().describe('Labels of the tenant.'),
    campaigns: listOf(word).exactOptional().describe('Names of campaigns.'),
    classes: listOf(word).exactOptional().describe('Classes of mail.'),
  }),
);

/** Bounds of a limit. */
export const bounds = {
  connections: countBound.exactOptional().describe('Connections at once: connecting, open and idle ones.'),
  connectionRate: rateBound.exactOptional().describe('Connections opened per period.'),
  recipientRate: rateBound.exactOptional().describe('RCPT commands per period.'),
  messageRate: rateBound.exactOptional().describe('Transactions (MAIL commands) per period.'),
  byteRate: rateBound.exactOptional().describe('Bytes of message per period: `1048576/s`.'),
  burst: countBound
    .exactOptional()
    .describe('Units that a rate may give out at once after a pause. Unlimited = back to the built-in one.'),
};

/** A bound on what is sent. */
export const limit = withRules(
  z.strictObject({
    name: entryName.describe('Name of the limit; layers with the same name refine one another.'),
    state: z
      .enum(['Enabled', 'Disabled'])
      .exactOptional()
      .describe('`Disabled` removes what a wider layer set.'),
    per: listOf(z.enum(LIMIT_FIELDS), LIMIT_FIELDS.length)
      .exactOptional()
      .describe(
        'What has a counter of its own. Absent = as the wider layer says. Mail that has no value for a field is not counted.',
      ),
    scope: z
      .enum(['Cluster', 'Pod'])
      .exactOptional()
      .describe('`Cluster`: all pods together. `Pod`: each pod alone. Default Cluster.'),
    when: when.exactOptional().describe('Mail that the limit is about; only fields of `per`.'),
    ...bounds,
    overrides: listOf(
      withRules(
        z.strictObject({
          name: entryName.describe('Name of the override, unique in the list.'),
          when: when.describe('Mail that it is about; only fields of `per`.'),
          ...bounds,
        }),
        boundRule,
      ),
      MAX_OVERRIDES,
    )
      .exactOptional()
      .describe(
        'Other bounds for some of the counters; the first that matches wins. Replaces the list of a wider layer whole.',
      ),
  }),
  ...whenRules('when'),
  ...whenRules('overrides'),
);

export type LimitSpec = z.output<typeof limit>;
export type WhenSpec = z.output<typeof when>;
