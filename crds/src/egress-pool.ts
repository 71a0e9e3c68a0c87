import { z } from 'zod';
import { withRules } from './cel-rule.ts';
import { egressWay } from './egress-way.ts';
import { API_VERSION, metadata } from './resource-metadata.ts';
import {
  count,
  domainName,
  entryName,
  hostName,
  ipAddress,
  labelSelector,
  labels,
  listOf,
  priority,
  resourceName,
  word,
} from './schema-fields.ts';
import { warmup } from './warmup.ts';

export const MAX_SOURCES = 512;
export const MAX_MATCHES = 64;
export const MAX_WEIGHT = 1_000;

const match = z.strictObject({
  name: entryName.describe('Name of the entry, unique in the list.'),
  priority: priority
    .default(0)
    .describe('Across all pools the entry with the highest priority wins, then the pool name.'),
  tenants: listOf(word).exactOptional().describe('Names of tenants, any of them.'),
  tenantSelector: labelSelector.exactOptional().describe('Labels that the tenant has in sluice.yaml.'),
  classes: listOf(word).exactOptional().describe('Classes of mail, any of them.'),
  fromDomains: listOf(domainName).exactOptional().describe('Domains of the envelope sender, any of them.'),
  recipientDomains: listOf(domainName).exactOptional().describe('Domains of the recipient, any of them.'),
});

const source = withRules(
  z.strictObject({
    name: entryName.describe('Name of the source, unique in the pool.'),
    address: ipAddress.describe(
      'The PUBLIC address that the receiver sees: the identity of its counters, in every pool that lists it.',
    ),
    ehlo: hostName.describe('Name said in EHLO; it should resolve to `address` and back.'),
    weight: count(MAX_WEIGHT).default(1).describe('Share of the mail, relative to the other sources.'),
    state: z
      .enum(['Active', 'Draining', 'Disabled'])
      .default('Active')
      .describe(
        '`Draining`: open connections finish their work, none is opened. `Disabled`: open ones are closed too.',
      ),
    labels: labels.default({}).describe('Labels that a policy can select sources by.'),
    egress: egressWay.exactOptional().describe("Way out of this source; replaces the pool's whole."),
    warmup: warmup.exactOptional().describe('How much a cold address may send per day. Absent = it is warm.'),
  }),
  {
    rule: 'self.address == oldSelf.address',
    message: 'address is the identity of the source: add a source with another name instead',
  },
);

/** Which addresses mail leaves from. */
export const egressPoolSchema = withRules(
  z.strictObject({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('EgressPool'),
    metadata,
    spec: z.strictObject({
      match: listOf(match, MAX_MATCHES)
        .exactOptional()
        .describe(
          'Which mail. Entries are ORed, fields inside one are ANDed; an entry without conditions takes everything, and so does a pool without entries (priority 0).',
        ),
      urgency: z
        .enum(['Normal', 'High'])
        .default('Normal')
        .describe('`High`: its mail gets freed connections and tokens first, on every pod.'),
      selection: z
        .strictObject({
          strategy: z
            .enum(['Weighted', 'Sticky'])
            .default('Weighted')
            .describe(
              '`Weighted`: by weight among those that are free. `Sticky`: mail of one tenant to one domain keeps its source (rendezvous hash, by weight).',
            ),
          onRetry: z
            .enum(['PreferSameSource', 'AnySource'])
            .default('PreferSameSource')
            .describe('The same source on a retry suits greylisting.'),
        })
        .exactOptional()
        .describe('How a source is chosen at the moment of the attempt.'),
      egress: egressWay
        .exactOptional()
        .describe('Way out of all sources that have none of their own. Absent = `Direct`.'),
      sources: listOf(source, MAX_SOURCES).describe('The addresses.'),
      fallbackPoolRef: z
        .strictObject({ name: resourceName.describe('Name of the pool.') })
        .exactOptional()
        .describe('Pool that takes mail for which no source here can be used; one hop only.'),
    }),
  }),
  {
    rule: '!has(self.spec.fallbackPoolRef) || self.spec.fallbackPoolRef.name != self.metadata.name',
    message: 'fallbackPoolRef names the pool itself',
  },
);

export type EgressPool = z.output<typeof egressPoolSchema>;
