import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runCommandLine } from './command-line.ts';
import { COMMANDS } from './command-list.ts';

/** Writes files below a new temporary directory; returns it, with a slash at the end. */
export function filesIn(files: Readonly<Record<string, string>>): string {
  const root = `${mkdtempSync(join(tmpdir(), 'sluice-command-'))}/`;
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

/** Runs the real command line; the directory is left out of what it prints. */
export async function sluice(args: readonly string[], root = '\0') {
  let [out, err] = ['', ''];
  const exitCode = await runCommandLine(args, {
    commands: COMMANDS,
    version: '0.0.0',
    writeOut: (text) => (out += text),
    writeErr: (text) => (err += text),
  });
  return { exitCode, out: out.replaceAll(root, ''), err: err.replaceAll(root, '') };
}

export const HEAD = 'apiVersion: sluice.email/v1alpha1\n';
