import type { DkimInFile } from './dkim-schema.ts';
import type { DkimSettings } from './dkim-settings.ts';

/** Placeholders of a template. */
const PLACEHOLDER = /\{([^{}]*)\}/g;
const KEY_FILE_PLACEHOLDERS: readonly string[] = ['domain', 'selector', 'tenant'];
const DOMAIN = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;
/** Fields that every host changes or adds (RFC 6376 §5.4), and those that are taken out before a message is stored or sent. */
const NEVER_SIGNED: readonly string[] = ['return-path', 'received', 'bcc', 'resent-bcc', 'dkim-signature'];

/** What resolving needs of the rest of the file. */
export interface DkimSurroundings {
  readonly tenants: ReadonlySet<string>;
  /** Makes a path of the file absolute. */
  readonly absolute: (file: string) => string;
  /** Tells a mistake; the path begins below `spec.dkim`. */
  readonly problem: (path: readonly (string | number)[], what: string, cure: string) => void;
}

/** Turns `spec.dkim` into what the sign room receives, and checks what no single field can show. */
export function resolveDkim(inFile: DkimInFile, surroundings: DkimSurroundings): DkimSettings {
  const { problem } = surroundings;
  const names = new Set<string>();
  for (const [index, { name, match }] of inFile.rules.entries()) {
    if (names.has(name))
      problem(['rules', index, 'name'], `"${name}" is listed twice.`, 'Rename or remove one of the two.');
    names.add(name);
    for (const [position, tenant] of match.tenants.entries()) {
      if (surroundings.tenants.has(tenant)) continue;
      const what = `There is no tenant "${tenant}".`;
      problem(
        ['rules', index, 'match', 'tenants', position],
        what,
        'Add it to spec.tenants, or correct the name.',
      );
    }
  }
  return { rules: inFile.rules.map((rule, index) => resolveRule(rule, index, surroundings)) };
}

function resolveRule(
  rule: DkimInFile['rules'][number],
  index: number,
  { absolute, problem }: DkimSurroundings,
): DkimSettings['rules'][number] {
  for (const list of ['signedHeaders', 'overSign', 'overSignPresent'] as const) {
    for (const [position, header] of rule[list].entries()) {
      if (!NEVER_SIGNED.includes(header.toLowerCase())) continue;
      const what = `${header} changes on the way: a signature that covers it would not last.`;
      problem(['rules', index, list, position], what, 'Remove it (RFC 6376 §5.4).');
    }
  }
  const signatures = rule.signatures.map((signature, position) => {
    const path = ['rules', index, 'signatures', position];
    const domain = signature.domain.toLowerCase();
    if (domain !== '{domain}' && !DOMAIN.test(domain)) {
      const cure = 'Write {domain} for the domain of the From field, or one domain.';
      problem([...path, 'domain'], `"${signature.domain}" is not a domain to sign for.`, cure);
    }
    for (const [placeholder, inside = ''] of signature.keyFile.matchAll(PLACEHOLDER)) {
      if (KEY_FILE_PLACEHOLDERS.includes(inside)) continue;
      const cure = 'Only {domain}, {selector} and {tenant} can stand in a path.';
      problem([...path, 'keyFile'], `${placeholder} is not known.`, cure);
    }
    const { selector, canonicalization, expireAfter, onMissingKey } = signature;
    return {
      domain,
      selector,
      keyFile: absolute(signature.keyFile),
      canonicalization,
      ...(expireAfter !== undefined && { expireAfterMs: expireAfter }),
      onMissingKey,
    };
  });
  const { name, match, signedHeaders, overSign, overSignPresent } = rule;
  return { name, match, signatures, signedHeaders, overSign, overSignPresent };
}
