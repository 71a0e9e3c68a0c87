import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Problem } from '@sluice/crds';
import { errorText } from '@sluice/crds';
import { checkShape } from './check-shape.ts';
import { plainReason } from './plain-reason.ts';
import { resolveSettings } from './resolve-settings.ts';
import type { Settings } from './settings.ts';
import { settingsSchema } from './settings-schema.ts';
import { type Surroundings, thisMachine } from './surroundings.ts';
import { parseYamlSource } from './yaml-source.ts';

export type LoadedSettings =
  | { readonly settings: Settings; readonly secrets: SecretFiles }
  | { readonly problems: readonly Problem[] };

/** The files that a settings file names: users, passwords, keys. */
export interface SecretFiles {
  /** Absolute paths. */
  readonly files: readonly string[];
  /** The settings as they were written, with what these files hold now; `sluice.yaml` itself is not read again. */
  readAgain(): { readonly settings: Settings } | { readonly problems: readonly Problem[] };
}

/**
 * Reads and checks `sluice.yaml`, the users and password files that it names included. Paths in it are relative to
 * its own directory. Every mistake is reported, not only the first. Never throws for what a user wrote.
 *
 * Example: `const loaded = loadSettings('sluice.yaml'); if ('problems' in loaded) …`
 */
export function loadSettings(file: string, surroundings: Surroundings = thisMachine()): LoadedSettings {
  const text = readText(file);
  if (typeof text !== 'string') {
    const code = 'SLUICE_CONFIG_UNREADABLE';
    return { problems: [{ code, file, field: '', ...errorText(code, { file, reason: plainReason(text) }) }] };
  }
  return settingsFrom(text, file, surroundings);
}

/** The same for a text that was read already; `file` names it in problems, and paths in it are relative to its directory. */
export function settingsFrom(
  text: string,
  file: string,
  surroundings: Surroundings = thisMachine(),
): LoadedSettings {
  const parsed = parseYamlSource(text, file);
  if ('problems' in parsed) return parsed;
  const checked = checkShape(parsed.source, settingsSchema);
  if ('problems' in checked) return checked;
  const files = new Set<string>();
  const readAgain = (): ReturnType<SecretFiles['readAgain']> =>
    resolveSettings({
      file: checked.value,
      source: parsed.source,
      directory: dirname(resolve(file)),
      surroundings,
      readText(secret) {
        files.add(secret);
        return readText(secret);
      },
    });
  const resolved = readAgain();
  return 'problems' in resolved ? resolved : { ...resolved, secrets: { files: [...files], readAgain } };
}

function readText(file: string): string | Error {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
