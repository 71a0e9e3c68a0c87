import { type FieldForm, formatDuration, parseDuration } from '@sluice/crds';
import { z } from 'zod';
import { formatByteSize, parseByteSize } from './byte-size.ts';
import { type HostPort, parseHostPort } from './host-port.ts';
import { type Network, parseNetwork } from './network.ts';

/** Field that may be left out; never `undefined` inside. */
export const optional = <T extends z.ZodType>(schema: T) => z.exactOptional(schema);

/** Adds an issue whose cure is told to the user. */
function refuse(context: z.core.$RefinementCtx, what: string, cure: string): typeof z.NEVER {
  context.issues.push({ code: 'custom', message: what, params: { cure }, input: context.value });
  return z.NEVER;
}

/** `60s`, `1h30m`; the value is milliseconds. */
export function duration({ min, max }: { readonly min: string; readonly max: string }) {
  const [minMs, maxMs] = [parseDuration(min) ?? 0, parseDuration(max) ?? Number.POSITIVE_INFINITY];
  return z
    .unknown()
    .transform((value, context): number => {
      const valueMs = typeof value === 'string' ? parseDuration(value) : undefined;
      const text = String(value);
      if (valueMs !== undefined && valueMs >= minMs && valueMs <= maxMs) return valueMs;
      const what = valueMs === undefined ? `"${text}" is not a duration.` : `"${text}" is out of bounds.`;
      return refuse(context, what, `Write a duration from ${min} to ${max}, such as 30s or 1h30m.`);
    })
    .meta({ form: `duration ${min}…${max}`, show: formatDuration } satisfies FieldForm);
}

/** `64Mi` or a whole number; the value is bytes. */
export function byteSize({ min, max }: { readonly min: number; readonly max: number }) {
  const bounds = `${formatByteSize(min)}…${formatByteSize(max)}`;
  return z
    .unknown()
    .transform((value, context): number => {
      const bytes =
        typeof value === 'string' || typeof value === 'number' ? parseByteSize(String(value)) : undefined;
      if (bytes !== undefined && bytes >= min && bytes <= max) return bytes;
      const what =
        bytes === undefined ? `${JSON.stringify(value)} is not a size.` : `"${value}" is out of bounds.`;
      return refuse(context, what, `Write bytes (${bounds}), such as 1048576, 64Mi or 2Gi.`);
    })
    .meta({ form: `size ${bounds}`, show: formatByteSize } satisfies FieldForm);
}

/** `host:port`. */
export const hostPort = z
  .string()
  .transform(
    (text, context): HostPort =>
      parseHostPort(text) ??
      refuse(
        context,
        `"${text}" is not an address with a port.`,
        'Write host:port, such as 0.0.0.0:2525 or [::]:2525.',
      ),
  )
  .meta({ form: 'host:port', show: ({ host, port }: HostPort) => `${host}:${port}` } satisfies FieldForm);

/** A network in CIDR form. */
export const network = z
  .string()
  .transform(
    (text, context): Network =>
      parseNetwork(text) ??
      refuse(
        context,
        `"${text}" is not a network.`,
        'Write CIDR form, such as 10.0.0.0/8, 2001:db8::/32 or one address.',
      ),
  )
  .meta({ form: 'network (CIDR)' } satisfies FieldForm);

/** A host or domain name in A-label form; the value is lower case. */
export const hostName = z
  .string()
  .transform((text, context): string => {
    const labels = text.toLowerCase().split('.');
    const good = text.length <= 253 && labels.every((label) => /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/.test(label));
    return good
      ? labels.join('.')
      : refuse(
          context,
          `"${text}" is not a host name.`,
          'Write letters, digits, hyphens and dots; no dot at the end.',
        );
  })
  .meta({ form: 'host name' } satisfies FieldForm);

/** An address in ASCII, without display name. */
export const mailbox = z
  .string()
  .max(254)
  .transform((text, context): string =>
    /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text)
      ? text
      : refuse(context, `"${text}" is not a mail address.`, 'Write it as postmaster@example.com.'),
  )
  .meta({ form: 'mail address' } satisfies FieldForm);

/** A name that metrics, headers and resources can carry. */
export const name = z
  .string()
  .min(1)
  .max(63)
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/,
    'only letters, digits, dots, hyphens and underscores may be used.',
  )
  .meta({ form: 'name' } satisfies FieldForm);

/** The two ways to give a password: in place, or in a file (a mounted Secret). Spread into an object's members. */
export const passwordFields = {
  password: optional(z.string().min(1).max(1024).describe('The password, in the open; prefer the file.')),
  passwordFile: optional(
    z.string().min(1).describe('File that holds the password; a line end at its end is ignored.'),
  ),
} as const;
