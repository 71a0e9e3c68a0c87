import { domainToASCII } from 'node:url';
import { RE2JS } from 're2js';
import { z } from 'zod';
import { notEmpty, withRules } from './cel-rule.ts';
import { DOMAIN_PATTERN, HOST_NAME_PATTERN, isDomainName, MAX_DOMAIN_LENGTH } from './domain-name.ts';
import { DURATION_PATTERN, formatDuration, parseDuration } from './duration.ts';
import { expecting } from './expectation.ts';
import { canonicalAddress } from './ip-address.ts';
import { RATE_PATTERN } from './rate.ts';

/** Kinds of fields that both resources use. Every text and list is bounded, because the API server prices validation by size. */

export const MAX_NAME_LENGTH = 63;
export const MAX_RESOURCE_NAME_LENGTH = 253;
export const MAX_WORD_LENGTH = 253;
export const MAX_LIST_LENGTH = 1_000;
export const MAX_LABELS = 64;
export const MAX_COUNT = 1_000_000_000;

const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** Name of an entry of a list: a DNS label. */
export const entryName = expecting(
  z
    .string()
    .max(MAX_NAME_LENGTH)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/),
  {
    expected: 'a name of lower-case letters, digits and hyphens, at most 63',
    example: 'ip-1',
    suggest: asName,
  },
);

/** Name of a resource: a DNS subdomain. */
export const resourceName = expecting(
  z
    .string()
    .max(MAX_RESOURCE_NAME_LENGTH)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/),
  {
    expected: 'a name of lower-case letters, digits, hyphens and dots, at most 253',
    example: 'shared-a',
    suggest: asName,
  },
);

/** Name that sluice.yaml or an application gives: tenant, class, campaign. */
export const word = expecting(
  z
    .string()
    .min(1)
    .max(MAX_WORD_LENGTH)
    .regex(/^[^\p{Cc}]+$/u),
  { expected: 'a name of 1 to 253 characters', example: 'marketing', suggest: asText },
);

export const domainName = expecting(z.string().max(MAX_DOMAIN_LENGTH).regex(DOMAIN_PATTERN), {
  expected: 'a domain name in lower case, without wildcard and final dot',
  example: 'example.com',
  suggest: (given) => {
    if (typeof given !== 'string') return undefined;
    const ascii = domainToASCII(given.replace(/^\*?\./, '').replace(/\.$/, ''));
    return isDomainName(ascii) ? ascii : undefined;
  },
});

/** What is said in EHLO: receivers refuse names that no host can have, underscores before all. RFC 5321 §4.1.1.1. */
export const hostName = expecting(z.string().max(MAX_DOMAIN_LENGTH).regex(HOST_NAME_PATTERN), {
  expected: 'a host name of lower-case letters, digits, hyphens and dots, without final dot',
  example: 'out1.example.com',
  suggest: (given) => {
    if (typeof given !== 'string') return undefined;
    const ascii = domainToASCII(given.replace(/\.$/, '').replaceAll('_', '-'));
    return ascii.length <= MAX_DOMAIN_LENGTH && HOST_NAME_PATTERN.test(ascii) ? ascii : undefined;
  },
});

export const ipAddress = expecting(
  withRules(
    z
      .string()
      .max(45)
      .refine((text) => canonicalAddress(text) !== undefined),
    { rule: 'isIP(self)', message: 'it is no IPv4 or IPv6 address' },
  ),
  { expected: 'an IPv4 or IPv6 address', example: '192.0.2.10' },
);

/** Where a proxy is. */
export const hostOrAddress = expecting(
  withRules(
    z
      .string()
      .max(MAX_DOMAIN_LENGTH)
      .refine((text) => isDomainName(text) || canonicalAddress(text) !== undefined),
    {
      rule: `isIP(self) || self.matches(r'${DOMAIN_PATTERN.source}')`,
      message: 'it is no host name in lower case and no address',
    },
  ),
  { expected: 'a host name in lower case or an IP address', example: 'egress-a.mail.svc' },
);

/** A day, `YYYY-MM-DD`, that the calendar has. The API server knows the format `date` itself, so it costs no rule there. */
export const calendarDate = expecting(
  z
    .string()
    .max(10)
    .regex(/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/)
    .refine(isCalendarDate)
    .meta({ format: 'date' }),
  { expected: 'a date YYYY-MM-DD', example: '2026-12-01' },
);

/** A negative reply code; a positive one calls for no reaction. */
export const replyCode = expecting(z.int().min(400).max(599), {
  expected: 'a reply code from 400 to 599',
  example: '421',
  suggest: (given) =>
    typeof given === 'string' && /^[45][0-9]{2}$/.test(given) ? `${given} without quotes` : undefined,
});

/** RFC 3463 §2, of the classes 4 and 5. */
export const enhancedCode = expecting(
  z
    .string()
    .max(9)
    .regex(/^[45]\.[0-9]{1,3}\.[0-9]{1,3}$/),
  { expected: 'an enhanced status code of class 4 or 5', example: '"4.7.28"' },
);

export const MAX_EXPRESSION_LENGTH = 512;

/** RE2 has no look-around and no back references: it takes linear time whatever the reply is. */
export const regularExpression = expecting(
  z
    .string()
    .min(1)
    .max(MAX_EXPRESSION_LENGTH)
    .refine((text) => {
      try {
        RE2JS.compile(text);
        return true;
      } catch {
        return false;
      }
    }),
  { expected: 'a regular expression as RE2 has them, of 1 to 512 characters', example: '"unusual rate"' },
);

export const duration = expecting(
  withRules(
    z
      .string()
      .max(32)
      .regex(DURATION_PATTERN)
      .refine((text) => (parseDuration(text) ?? 0) > 0),
    { rule: "duration(self) > duration('0s')", message: 'a duration is above zero' },
  ),
  {
    expected: 'a duration above zero, in h, m, s and ms',
    example: '1h30m',
    suggest: (given) => {
      if (typeof given === 'number') return given > 0 && given < 100_000 ? `${Math.ceil(given)}s` : undefined;
      const [, count, unit] =
        /^([1-9][0-9]{0,4}) *(d|day|h|hour|m|min|minute|s|sec|second)s?$/.exec(String(given)) ?? [];
      if (count === undefined || unit === undefined) return undefined;
      return unit.startsWith('d') ? formatDuration(Number(count) * 86_400_000) : `${count}${unit[0]}`;
    },
  },
);

const rateText = z.string().max(20).regex(RATE_PATTERN);

/** A rate, or `Unlimited`, which takes back what a wider layer set. */
export const rateBound = expecting(z.union([rateText, z.literal('Unlimited')]), {
  expected: 'a rate N/(s|min|h|d) with N from 1, or Unlimited',
  example: '100/min',
  suggest: (given) => {
    if (/^unlimited$/i.test(String(given))) return 'Unlimited';
    const [, count, period] =
      /^([1-9][0-9]*) *(?:\/|per) *(s|min|h|d|m|sec|second|minute|hr|hour|day)$/.exec(String(given)) ?? [];
    if (count === undefined || period === undefined) return undefined;
    return `${count}/${period.startsWith('m') ? 'min' : period[0]}`;
  },
});

/** A whole number from 1. */
export function count(max: number) {
  return expecting(z.int().min(1).max(max), { expected: `a whole number from 1 to ${max}`, example: '10' });
}

/** A whole number from 1, or `Unlimited`. */
export const countBound = expecting(z.union([z.int().min(1).max(MAX_COUNT), z.literal('Unlimited')]), {
  expected: `a whole number from 1 to ${MAX_COUNT}, or Unlimited`,
  example: '10',
  suggest: (given) => (/^unlimited$/i.test(String(given)) ? 'Unlimited' : wholeNumber(given)),
});

export const priority = expecting(z.int().min(-MAX_COUNT).max(MAX_COUNT), {
  expected: `a whole number from -${MAX_COUNT} to ${MAX_COUNT}`,
  example: '100',
});

const labelKey = expecting(z.string().max(317).regex(LABEL_KEY), {
  expected: 'a label key as Kubernetes has them',
  example: 'plan',
});

/** Labels as Kubernetes has them. */
export const labels = expecting(
  z
    .record(
      labelKey,
      expecting(z.string().max(MAX_NAME_LENGTH).regex(LABEL_VALUE), {
        expected: 'a label value: text of at most 63 letters, digits, hyphens, dots and underscores',
        example: 'warm',
        suggest: asText,
      }),
    )
    .refine((map) => Object.keys(map).length <= MAX_LABELS)
    .meta({ maxProperties: MAX_LABELS }),
  { expected: `at most ${MAX_LABELS} labels`, example: '{plan: free}' },
);

/** A selector of labelled things; all labels must be equal. */
export const labelSelector = z.strictObject({
  matchLabels: expecting(notEmpty(labels.refine((map) => Object.keys(map).length > 0)), {
    expected: 'at least one label',
    example: '{plan: free}',
  }).describe('Labels that must all be there with these values.'),
});

/** A list with at least one item and a bounded length. */
export function listOf<S extends z.ZodType>(item: S, max: number = MAX_LIST_LENGTH) {
  return z.array(item).min(1).max(max);
}

/** Whether the calendar has the day `YYYY-MM-DD`: no 30 February. */
export function isCalendarDate(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

function asText(given: unknown): string | undefined {
  return typeof given === 'number' || typeof given === 'boolean' ? `"${given}"` : undefined;
}

function asName(given: unknown): string | undefined {
  if (typeof given === 'number') return `"${given}"`;
  if (typeof given !== 'string') return undefined;
  const name = given.toLowerCase().replace(/[\s_]+/g, '-');
  return /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) && name.length <= MAX_NAME_LENGTH ? name : undefined;
}

function wholeNumber(given: unknown): string | undefined {
  return typeof given === 'string' && /^[1-9][0-9]{0,8}$/.test(given) ? `${given} without quotes` : undefined;
}
