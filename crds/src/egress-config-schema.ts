import { z } from 'zod';
import { contentHash } from './canonical-json.ts';
import type { EgressConfig } from './egress-config.ts';
import { LIMIT_FIELDS } from './limit.ts';
import { isUsable } from './partial-support.ts';
import { type Problem, problemOf } from './problem.ts';
import { REACTION_PHASES, SCALED_BOUNDS } from './reaction.ts';

const milliseconds = z.int().min(1);
const texts = z.array(z.string()).readonly();
const labels = z.record(z.string(), z.string()).readonly();

const rate = z.strictObject({ count: z.int().min(1), periodMs: milliseconds }).readonly();
const rateOrUnlimited = z.union([rate, z.literal('Unlimited')]).exactOptional();
const countOrUnlimited = z.union([z.int().min(1), z.literal('Unlimited')]).exactOptional();

const bounds = z
  .strictObject({
    connections: countOrUnlimited,
    connectionRate: rateOrUnlimited,
    recipientRate: rateOrUnlimited,
    messageRate: rateOrUnlimited,
    byteRate: rateOrUnlimited,
    burst: countOrUnlimited,
  })
  .readonly();

const when = z
  .strictObject({
    pools: texts.exactOptional(),
    sources: texts.exactOptional(),
    sourceSelector: labels.exactOptional(),
    groups: texts.exactOptional(),
    domains: texts.exactOptional(),
    tenants: texts.exactOptional(),
    tenantSelector: labels.exactOptional(),
    campaigns: texts.exactOptional(),
    classes: texts.exactOptional(),
  })
  .readonly();

const limit = z
  .strictObject({
    name: z.string(),
    state: z.enum(['Enabled', 'Disabled']).exactOptional(),
    per: z.array(z.enum(LIMIT_FIELDS)).min(1).readonly().exactOptional(),
    scope: z.enum(['Cluster', 'Pod']).exactOptional(),
    when: when.exactOptional(),
    bounds,
    overrides: z
      .array(z.strictObject({ name: z.string(), when, bounds }).readonly())
      .readonly()
      .exactOptional(),
  })
  .readonly();

const enabled = z.enum(['Enabled', 'Disabled']);
const fields = z.array(z.enum(LIMIT_FIELDS)).min(1).readonly();

const action = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('Scale'),
      scale: z
        .strictObject({
          limitName: z.string(),
          bound: z.enum(SCALED_BOUNDS),
          percent: z.int().min(1).max(99),
          floor: z.union([z.int().min(1), rate]).exactOptional(),
          recoverPercent: z.int().min(101),
          recoverEveryMs: milliseconds,
        })
        .readonly(),
    }),
    z.strictObject({
      type: z.literal('Suspend'),
      suspend: z.strictObject({ per: fields, forMs: milliseconds }).readonly(),
    }),
    z.strictObject({
      type: z.literal('SetLimit'),
      setLimit: z.strictObject({ limitName: z.string(), bounds, forMs: milliseconds }).readonly(),
    }),
    z.strictObject({
      type: z.literal('RetryAfter'),
      retryAfter: z.strictObject({ delayMs: milliseconds }).readonly(),
    }),
    z.strictObject({ type: z.literal('Bounce') }),
    z.strictObject({
      type: z.literal('Reroute'),
      reroute: z.strictObject({ pool: z.string(), forMs: milliseconds }).readonly(),
    }),
  ])
  .readonly();

const reaction = z
  .strictObject({
    name: z.string(),
    state: enabled.exactOptional(),
    match: z
      .strictObject({
        codes: z.array(z.int()).readonly().exactOptional(),
        enhancedCodes: texts.exactOptional(),
        text: z.string().exactOptional(),
        phases: z.array(z.enum(REACTION_PHASES)).readonly().exactOptional(),
      })
      .readonly()
      .exactOptional(),
    trigger: z
      .strictObject({ count: z.int().min(1), withinMs: milliseconds, per: fields })
      .readonly()
      .exactOptional(),
    actions: z.array(action).min(1).readonly().exactOptional(),
  })
  .readonly();

const timeoutMs = milliseconds.exactOptional();

const layer = {
  session: z
    .strictObject({
      messagesPerConnection: z.int().min(1).exactOptional(),
      recipientsPerTransaction: z.int().min(1).exactOptional(),
      idleTimeoutMs: timeoutMs,
      timeouts: z
        .strictObject({
          connectMs: timeoutMs,
          greetingMs: timeoutMs,
          ehloMs: timeoutMs,
          startTlsMs: timeoutMs,
          authMs: timeoutMs,
          mailMs: timeoutMs,
          rcptMs: timeoutMs,
          dataMs: timeoutMs,
          dataBlockMs: timeoutMs,
          finalDotMs: timeoutMs,
          rsetMs: timeoutMs,
          quitMs: timeoutMs,
        })
        .readonly()
        .exactOptional(),
      tls: z
        .strictObject({
          level: z.enum(['Disabled', 'Opportunistic', 'Encrypt', 'Verify']).exactOptional(),
          mtaSTS: enabled.exactOptional(),
          dane: enabled.exactOptional(),
          clientCertificateName: z.string().exactOptional(),
        })
        .readonly()
        .exactOptional(),
    })
    .readonly()
    .exactOptional(),
  retry: z
    .strictObject({
      delaysMs: z.array(milliseconds).min(1).readonly().exactOptional(),
      expireAfterMs: timeoutMs,
    })
    .readonly()
    .exactOptional(),
  limits: z.array(limit).readonly().exactOptional(),
  reactions: z.array(reaction).readonly().exactOptional(),
};

const port = z.int().min(1).max(65_535);

const egressWay = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('Direct') }).readonly(),
  z
    .strictObject({ type: z.literal('Bind'), bind: z.strictObject({ address: z.string() }).readonly() })
    .readonly(),
  z
    .strictObject({
      type: z.literal('HAProxy'),
      haproxy: z
        .strictObject({
          host: z.string(),
          port,
          protocol: z.enum(['V1', 'V2']),
          sourceAddress: z.string(),
        })
        .readonly(),
    })
    .readonly(),
  z
    .strictObject({
      type: z.literal('SOCKS5'),
      socks5: z
        .strictObject({
          host: z.string(),
          port,
          dialect: z.enum(['Connect', 'BindConnect']),
          sourceAddress: z.string().exactOptional(),
          tls: z.enum(['Disabled', 'Verify']),
          credentialName: z.string().exactOptional(),
        })
        .readonly(),
    })
    .readonly(),
]);

const warmup = z
  .strictObject({
    startDate: z.string(),
    recipientsPerDay: z.array(z.int().min(1)).min(1).readonly(),
    advanceAtDeliveredPercent: z.int().min(1).max(100),
    onExhausted: z.enum(['OtherSources', 'Wait']),
  })
  .readonly();

const pool = z
  .strictObject({
    name: z.string(),
    urgency: z.enum(['Normal', 'High']),
    selection: z
      .strictObject({
        strategy: z.enum(['Weighted', 'Sticky']),
        onRetry: z.enum(['PreferSameSource', 'AnySource']),
      })
      .readonly(),
    sources: z
      .array(
        z
          .strictObject({
            name: z.string(),
            address: z.string(),
            ehlo: z.string(),
            weight: z.int().min(1),
            state: z.enum(['Active', 'Draining', 'Disabled']),
            labels,
            egress: egressWay,
            warmup: warmup.exactOptional(),
          })
          .refine((source) => source.state === 'Disabled' || isUsable(source), {
            message: 'this version cannot carry out its warmup',
          })
          .readonly(),
      )
      .min(1)
      .readonly(),
    fallbackPool: z.string().exactOptional(),
  })
  .readonly();

const match = z
  .strictObject({
    pool: z.string(),
    name: z.string(),
    priority: z.int(),
    tenants: texts.exactOptional(),
    tenantSelector: labels.exactOptional(),
    classes: texts.exactOptional(),
    fromDomains: texts.exactOptional(),
    recipientDomains: texts.exactOptional(),
  })
  .readonly();

const policy = z
  .strictObject({
    name: z.string(),
    priority: z.int(),
    pools: texts.exactOptional(),
    default: z.strictObject(layer).readonly().exactOptional(),
    destinations: z
      .array(
        z
          .strictObject({
            name: z.string(),
            match: z
              .strictObject({
                domains: texts.exactOptional(),
                domainSuffixes: texts.exactOptional(),
                mxSuffixes: texts.exactOptional(),
              })
              .readonly(),
            ...layer,
          })
          .readonly(),
      )
      .readonly(),
  })
  .readonly();

const egressConfigSchema: z.ZodType<EgressConfig> = z
  .strictObject({
    formatVersion: z.literal(1),
    hash: z.string().regex(/^[0-9a-f]{64}$/),
    pools: z.array(pool).readonly(),
    matches: z.array(match).readonly(),
    policies: z.array(policy).readonly(),
  })
  .readonly();

/**
 * Loads what `compile` made, as it comes out of a ConfigMap or a file. Strict: unknown members, another format version and a
 * hash that is not that of the content are problems, because a pod must not run half of a configuration.
 *
 * Example: `parseEgressConfig(JSON.stringify(compile({ resources }).config))` → `{ config: … }`
 */
export function parseEgressConfig(
  json: string,
  file = '',
): { readonly config: EgressConfig } | { readonly problem: Problem } {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return refused(file, 'it is not JSON');
  }
  const parsed = egressConfigSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refused(file, `${issue?.path.join('.') || 'the whole'}: ${issue?.message ?? 'unknown'}`);
  }
  const { hash, ...content } = parsed.data;
  const actual = contentHash(content);
  return hash === actual ? { config: parsed.data } : refused(file, `its hash is ${actual}, not ${hash}`);
}

function refused(file: string, reason: string): { readonly problem: Problem } {
  return {
    problem: problemOf({ code: 'SLUICE_EGRESS_CONFIG_INVALID', path: [], parameters: { reason } }, { file }),
  };
}
