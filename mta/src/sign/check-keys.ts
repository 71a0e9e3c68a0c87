import { errorText, type Problem } from '@sluice/crds';
import type { DkimSettings } from '../config/mod.ts';
import { fillTemplate } from './key-path.ts';
import { readKey } from './key-store.ts';

/** Keys that are read when settings are checked; rules for more domains than that are checked in part. */
const MAX_CHECKED_KEYS = 10_000;

/**
 * Reads every key that the rules name without the help of a message: fixed domains, the `fromDomains` of a rule, its tenants. Resolves with
 * the files that cannot sign.
 *
 * Example: `const problems = await checkKeys(settings.dkim, 'sluice.yaml')`
 */
export async function checkKeys(settings: DkimSettings, settingsFile: string): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [ruleIndex, { match, signatures }] of settings.rules.entries()) {
    for (const [index, { domain, selector, keyFile }] of signatures.entries()) {
      const domains = domain.includes('{') ? match.fromDomains : [domain];
      const tenants = keyFile.includes('{tenant}') ? match.tenants : [''];
      for (const each of domains) {
        for (const tenant of tenants) {
          const file = fillTemplate(keyFile, { domain: each, selector, tenant });
          if (file === undefined || seen.has(file) || seen.size >= MAX_CHECKED_KEYS) continue;
          seen.add(file);
          const read = await readKey(file);
          if (!('flaw' in read)) continue;
          const code = 'SLUICE_DKIM_KEY_UNUSABLE';
          problems.push({
            code,
            file: settingsFile,
            field: `spec.dkim.rules[${ruleIndex}].signatures[${index}].keyFile`,
            ...errorText(code, { file, domain: each, selector, reason: read.flaw }),
          });
        }
      }
    }
  }
  return problems;
}
