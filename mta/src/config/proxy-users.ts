import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errorText, type Problem } from '@sluice/crds';
import { z } from 'zod';
import { checkShape } from './check-shape.ts';
import { passwordFields } from './settings-fields.ts';
import { parseYamlSource } from './yaml-source.ts';

const usersSchema = z
  .array(
    z.strictObject({
      username: z.string().min(1).max(255).describe('User name (RFC 1929).'),
      ...passwordFields,
    }),
  )
  .min(1);

/**
 * Reads the users of `sluice proxy`: a YAML list of `username` with `password` or `passwordFile`, whose path is relative to the file's own
 * directory. Every mistake is reported. Never throws for what a user wrote.
 *
 * Example: `- {username: mta, passwordFile: mta-password}`
 */
export function loadProxyUsers(
  file: string,
):
  | { readonly users: readonly { readonly username: string; readonly password: string }[] }
  | { readonly problems: readonly Problem[] } {
  const text = readText(file);
  if (typeof text !== 'string') return { problems: [unreadable(file, text.message)] };
  const parsed = parseYamlSource(text, file);
  if ('problems' in parsed) return parsed;
  const checked = checkShape(parsed.source, usersSchema);
  if ('problems' in checked) return checked;
  const problems: Problem[] = [];
  const users = checked.value.map(({ username, password, passwordFile }, index) => {
    const refuse = (what: string, cure: string) =>
      problems.push(parsed.source.problem('SLUICE_FIELD_CONTRADICTION', [index], what, cure));
    if ((password === undefined) === (passwordFile === undefined)) {
      refuse(`User "${username}" has no password, or two.`, 'Give passwordFile or password.');
    }
    if (passwordFile === undefined) return { username, password: password ?? '' };
    const path = resolve(dirname(file), passwordFile);
    const secret = readText(path);
    if (typeof secret !== 'string') problems.push(unreadable(path, secret.message));
    return { username, password: typeof secret === 'string' ? secret.replace(/\r?\n$/, '') : '' };
  });
  for (const [index, { username }] of users.entries()) {
    if (users.findIndex((user) => user.username === username) === index) continue;
    const what = `User "${username}" is listed twice.`;
    problems.push(
      parsed.source.problem('SLUICE_FIELD_CONTRADICTION', [index], what, 'Remove one of the two.'),
    );
  }
  return problems.length > 0 ? { problems } : { users };
}

function readText(file: string): string | Error {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function unreadable(file: string, reason: string): Problem {
  const code = 'SLUICE_CONFIG_UNREADABLE';
  return { code, file, field: '', ...errorText(code, { file, reason }) };
}
