import { z } from 'zod';
import { API_VERSION, metadata } from './resource-metadata.ts';
import {
  count,
  domainName,
  entryName,
  ipAddress,
  labelSelector,
  labels,
  listOf,
  priority,
  word,
} from './schema-fields.ts';

export const MAX_SOURCES = 512;
export const MAX_MATCHES = 64;
export const MAX_WEIGHT = 1_000;

/** The way out. A union on `type`: exactly the member of that name is there (`checkEgressPool` sees to it). */
const egress = z.strictObject({
  type: z
    .enum(['Direct', 'Bind'])
    .describe(
      '`Direct`: the system picks the local address. `Bind`: a local address is bound before connecting.',
    ),
  bind: z
    .strictObject({
      address: ipAddress
        .exactOptional()
        .describe("Local address to bind, behind 1:1 NAT for example. Absent = the source's own `address`."),
    })
    .exactOptional()
    .describe('Only with type `Bind`.'),
});

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

const source = z.strictObject({
  name: entryName.describe('Name of the source, unique in the pool.'),
  address: ipAddress.describe(
    'The PUBLIC address that the receiver sees: the identity of its counters, in every pool that lists it.',
  ),
  ehlo: domainName.describe('Name said in EHLO; it should resolve to `address` and back.'),
  weight: count(MAX_WEIGHT).default(1).describe('Share of the mail, relative to the other sources.'),
  state: z
    .enum(['Active', 'Draining', 'Disabled'])
    .default('Active')
    .describe(
      '`Draining`: open connections finish their work, none is opened. `Disabled`: open ones are closed too.',
    ),
  labels: labels.default({}).describe('Labels that a policy can select sources by.'),
  egress: egress.exactOptional().describe("Way out of this source; replaces the pool's whole."),
});

/** Which addresses mail leaves from. */
export const egressPoolSchema = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal('EgressPool'),
  metadata,
  spec: z.strictObject({
    match: listOf(match, MAX_MATCHES)
      .exactOptional()
      .describe(
        'Which mail. Entries are ORed, fields inside one are ANDed; an entry without conditions takes everything, and so does a pool without entries (priority 0).',
      ),
    selection: z
      .strictObject({
        strategy: z
          .enum(['Weighted'])
          .default('Weighted')
          .describe('`Weighted`: by weight among those that are free.'),
        onRetry: z
          .enum(['PreferSameSource', 'AnySource'])
          .default('PreferSameSource')
          .describe('The same source on a retry suits greylisting.'),
      })
      .exactOptional()
      .describe('How a source is chosen at the moment of the attempt.'),
    egress: egress
      .exactOptional()
      .describe('Way out of all sources that have none of their own. Absent = `Direct`.'),
    sources: listOf(source, MAX_SOURCES).describe('The addresses.'),
  }),
});

export type EgressPool = z.output<typeof egressPoolSchema>;
