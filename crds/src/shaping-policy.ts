import { z } from 'zod';
import { notEmpty, ordered } from './cel-rule.ts';
import { limit } from './limit.ts';
import { MAX_REACTIONS, reaction } from './reaction.ts';
import { API_GROUP, API_VERSION, metadata } from './resource-metadata.ts';
import { count, domainName, duration, entryName, listOf, priority, resourceName } from './schema-fields.ts';

export const MAX_TARGETS = 16;
export const MAX_DESTINATIONS = 256;
export const MAX_LIMITS = 32;
export const MAX_DELAYS = 32;
export const MAX_MESSAGES_PER_CONNECTION = 1_000_000;
export const MAX_RECIPIENTS_PER_TRANSACTION = 10_000;

const phase = (what: string) => duration.exactOptional().describe(what);

const session = z.strictObject({
  messagesPerConnection: count(MAX_MESSAGES_PER_CONNECTION)
    .exactOptional()
    .describe('Transactions on one connection before it is closed. Default 100.'),
  recipientsPerTransaction: count(MAX_RECIPIENTS_PER_TRANSACTION)
    .exactOptional()
    .describe('RCPT commands in one transaction. Default 100.'),
  idleTimeout: duration
    .exactOptional()
    .describe('How long a connection without work is kept for reuse. Default 60s.'),
  timeouts: z
    .strictObject({
      connect: phase('TCP connection. Default 60s.'),
      greeting: phase('The 220 after the connection. Default 5m.'),
      ehlo: phase('Reply to EHLO. Default 5m.'),
      startTls: phase('Reply to STARTTLS and the handshake. Default 60s.'),
      auth: phase('Reply to AUTH. Default 60s.'),
      mail: phase('Reply to MAIL. Default 5m.'),
      rcpt: phase('Reply to RCPT. Default 5m.'),
      data: phase('Reply to DATA. Default 2m.'),
      dataBlock: phase('Between two writes of the message that make progress. Default 3m.'),
      finalDot: phase('Reply to the end of the message. Default 10m.'),
      rset: phase('Reply to RSET. Default 20s.'),
      quit: phase('Reply to QUIT. Default 5s.'),
    })
    .exactOptional()
    .describe('Time-outs per phase, RFC 5321 §4.5.3.2.'),
  tls: z
    .strictObject({
      level: z
        .enum(['Disabled', 'Opportunistic', 'Encrypt', 'Verify'])
        .exactOptional()
        .describe(
          '`Opportunistic`: TLS where offered. `Encrypt`: never without. `Verify`: with a certificate that is valid for the MX host. Default Opportunistic.',
        ),
      mtaSTS: z
        .enum(['Enabled', 'Disabled'])
        .exactOptional()
        .describe('Whether policies of MTA-STS (RFC 8461) raise the level. Default Enabled.'),
      dane: z
        .enum(['Enabled', 'Disabled'])
        .exactOptional()
        .describe('Whether TLSA records that DNSSEC proves (RFC 7672) raise the level. Default Disabled.'),
      clientCertificateName: entryName
        .exactOptional()
        .describe(
          'Certificate of `spec.certificates` in sluice.yaml that is shown to a host that asks for one. Default none.',
        ),
    })
    .exactOptional()
    .describe('Transport security.'),
});

const retry = z.strictObject({
  delays: ordered(listOf(duration, MAX_DELAYS))
    .exactOptional()
    .describe(
      'Time to the next attempt after the first, second, … failure; the last one repeats. Default 5m, 15m, 30m, 1h, 2h, 4h.',
    ),
  expireAfter: duration
    .exactOptional()
    .describe('Age at which what is not delivered is returned. Default 72h.'),
});

const layer = {
  session: session.exactOptional().describe('How connections are used.'),
  retry: retry.exactOptional().describe('When a deferred message is tried again.'),
  limits: listOf(limit, MAX_LIMITS).exactOptional().describe('Bounds; merged by name over the layers.'),
  reactions: listOf(reaction, MAX_REACTIONS)
    .exactOptional()
    .describe('What replies of the receiver change; merged by name over the layers.'),
};

const destination = z.strictObject({
  name: entryName.describe(
    'Name of the destination; entries of several policies with one name are one destination.',
  ),
  match: notEmpty(
    z.strictObject({
      domains: listOf(domainName).exactOptional().describe('Recipient domains, exactly these.'),
      domainSuffixes: listOf(domainName)
        .exactOptional()
        .describe('Recipient domains and all below them, whole labels; the longest wins.'),
      mxSuffixes: listOf(domainName)
        .exactOptional()
        .describe(
          'Makes it a Group: domains whose best-preference MX hosts all are one of these or below one.',
        ),
    }),
  )
    .exactOptional()
    .describe('Absent = refines the destination of that name from another policy.'),
  ...layer,
});

/** How fast, to whom, under which conditions. */
export const shapingPolicySchema = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal('ShapingPolicy'),
  metadata,
  spec: z.strictObject({
    priority: priority.default(0).describe('Higher refines lower.'),
    targetRefs: listOf(
      z.strictObject({
        group: z.literal(API_GROUP).default(API_GROUP).describe('API group of the target.'),
        kind: z.literal('EgressPool').default('EgressPool').describe('Kind of the target.'),
        name: resourceName.describe('Name of the pool.'),
      }),
      MAX_TARGETS,
    )
      .exactOptional()
      .describe('Pools it applies to. Absent = every pool of the namespace.'),
    default: z.strictObject(layer).exactOptional().describe('For every destination; the widest layer.'),
    destinations: listOf(destination, MAX_DESTINATIONS)
      .exactOptional()
      .describe('Layers for Groups, domain suffixes and domains.'),
  }),
});

export type ShapingPolicy = z.output<typeof shapingPolicySchema>;
export type LayerSpec = { readonly [K in keyof typeof layer]?: z.output<(typeof layer)[K]> };
