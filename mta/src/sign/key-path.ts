import { isDomain } from './author-domain.ts';

/** What a template of `spec.dkim` may name in braces. */
export interface TemplateValues {
  /** Domain of the author; in a key file's path the domain of the signature. */
  readonly domain: string;
  readonly selector: string;
  readonly tenant: string;
}

/** A name that can be one part of a path and nothing else: it holds no slash and does not begin with a dot. */
const SAFE_TENANT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/**
 * Fills in `{domain}`, `{selector}` and `{tenant}`. `undefined` when a value that the template needs is missing or could lead
 * out of the directory: what a client wrote never chooses a file that the template does not mean.
 *
 * Example: `fillTemplate('/keys/{domain}/{selector}.pem', { domain: 'shop.example', selector: 's1', tenant: '' })` → `/keys/shop.example/s1.pem`
 */
export function fillTemplate(template: string, values: TemplateValues): string | undefined {
  if (!template.includes('{')) return template;
  let unfit = false;
  const filled = template.replace(/\{(domain|selector|tenant)\}/g, (_, name: keyof TemplateValues) => {
    const value = values[name];
    unfit ||= name === 'tenant' ? !SAFE_TENANT.test(value) : !isDomain(value);
    return value;
  });
  return unfit ? undefined : filled;
}
