import { z } from 'zod';
import { duration, hostName, name, optional } from './settings-fields.ts';

/**
 * RFC 6376 §5.4.1, with what has become common since: the headers of MIME, one-click unsubscription (RFC 8058 §4 demands both), and
 * those by which providers report back.
 */
export const SIGNED_HEADERS: readonly string[] = [
  'From',
  'Sender',
  'Reply-To',
  'To',
  'Cc',
  'Subject',
  'Date',
  'Message-ID',
  'In-Reply-To',
  'References',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
  'Resent-Date',
  'Resent-From',
  'Resent-Sender',
  'Resent-To',
  'Resent-Cc',
  'Resent-Message-ID',
  'List-Id',
  'List-Help',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
  'List-Subscribe',
  'List-Post',
  'List-Owner',
  'List-Archive',
  'Feedback-ID',
  'CFBL-Address',
  'CFBL-Feedback-ID',
];
/** What a replayed message must not get a second one of: what a reader sees, and what decides how the body is read. */
export const OVER_SIGNED_HEADERS: readonly string[] = [
  'From',
  'Reply-To',
  'To',
  'Cc',
  'Subject',
  'Date',
  'Message-ID',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
];
/** What hosts on the way add where it is missing, and what nobody may add where it is not. */
export const OVER_SIGNED_PRESENT_HEADERS: readonly string[] = [
  'Sender',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
];
export const DKIM_CANONICALIZATION = 'relaxed/relaxed';
/** Mail that receivers would refuse for want of a signature had better stay with its sender. */
export const ON_MISSING_KEY = 'Refuse';

/** RFC 5322 §3.6.8 allows more; a semicolon would end the tag that it stands in (RFC 6376 §3.2). */
const headerName = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,77}$/, 'only letters, digits, dots, hyphens and underscores may be used.')
  .meta({ form: 'header name' });

const headers = (fallback: readonly string[]) =>
  z
    .array(headerName)
    .max(100)
    .default([...fallback]);

const signature = z.strictObject({
  selector: hostName.describe('`s=`: the DNS record is `<selector>._domainkey.<domain>`.'),
  domain: z
    .string()
    .min(1)
    .max(253)
    .default('{domain}')
    .describe(
      '`d=`: `{domain}` is the domain of the From field; or a fixed domain, such as your own for a second signature.',
    ),
  keyFile: z
    .string()
    .min(1)
    .describe(
      'Private key, PEM; RSA or Ed25519, which decides on `a=`. `{domain}` is the domain of the signature; also `{selector}` and `{tenant}`.',
    ),
  canonicalization: z
    .enum(['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple'])
    .default(DKIM_CANONICALIZATION)
    .describe('`c=`: of the header, of the body.'),
  expireAfter: optional(
    duration({ min: '1h', max: '8760h' }).describe(
      '`x=`, counted from the acceptance; longer than mail may stay queued. Absent = the signature does not expire.',
    ),
  ),
  onMissingKey: z
    .enum(['Refuse', 'Hold', 'SendUnsigned'])
    .default(ON_MISSING_KEY)
    .describe(
      'Without a usable key: refuse the message with 451 4.7.5; take it and keep it until there is a key; or leave this signature out.',
    ),
});

const rule = z.strictObject({
  name: name.describe('Name in logs and replies.'),
  match: z
    .strictObject({
      fromDomains: z.array(hostName).max(100_000).default([]).describe('Domains of the From field.'),
      fromDomainSuffixes: z
        .array(hostName)
        .max(100_000)
        .default([])
        .describe('The same, each with every domain below it. An entry of either list will do.'),
      tenants: z.array(name).max(100_000).default([]).describe('Names of tenants.'),
    })
    .prefault({})
    .describe('Which mail; empty lists do not narrow it. The first rule that matches applies, alone.'),
  signatures: z
    .array(signature)
    .max(8)
    .describe('One DKIM-Signature field each; an empty list leaves this mail unsigned.'),
  signedHeaders: headers(SIGNED_HEADERS).describe(
    'Fields that are covered where the message has them. From always is.',
  ),
  overSign: headers(OVER_SIGNED_HEADERS).describe(
    'Fields that are named once more than the message has them: one that somebody adds later breaks the signature.',
  ),
  overSignPresent: headers(OVER_SIGNED_PRESENT_HEADERS).describe(
    'The same, only where the message has such a field.',
  ),
});

/** `spec.dkim` as a user writes it. */
export const dkimSchema = z.strictObject({
  rules: z.array(rule).max(10_000).default([]).describe('In their order. None = nothing is signed.'),
});

export type DkimInFile = z.infer<typeof dkimSchema>;
