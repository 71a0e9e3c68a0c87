import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type GoTool, goTool, HELM_3, HELM_4 } from './go-tool.ts';

export const CHART = fileURLToPath(new URL('../../../charts/sluice', import.meta.url));

/** What a command said. */
export interface HelmResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One line of Helm, as people run it; it keeps nothing outside a directory of its own. */
export interface Helm {
  readonly line: 3 | 4;
  (args: readonly string[], input?: string): Promise<HelmResult>;
}

/** Both lines of Helm, or why one is not there, in the words that `skip` shows. */
export async function bothHelms(notCovered: string): Promise<readonly Helm[] | { readonly skip: string }> {
  const helms: Helm[] = [];
  for (const [line, tool] of [
    [3, HELM_3],
    [4, HELM_4],
  ] as const) {
    const found = await goTool(tool satisfies GoTool);
    if ('missing' in found) return { skip: `${found.missing}: NOT COVERED: ${notCovered}` };
    helms.push(helmAt(line, found.path));
  }
  return helms;
}

function helmAt(line: 3 | 4, path: string): Helm {
  const home = mkdtempSync(join(tmpdir(), `sluice-helm-${line}-`));
  process.once('exit', () => rmSync(home, { recursive: true, force: true }));
  const environment = {
    ...process.env,
    HOME: home,
    HELM_CACHE_HOME: join(home, 'cache'),
    HELM_CONFIG_HOME: join(home, 'config'),
    HELM_DATA_HOME: join(home, 'data'),
  };
  const run = (args: readonly string[], input = ''): Promise<HelmResult> =>
    new Promise((resolve) => {
      const options = { maxBuffer: 2 ** 26, env: environment };
      const child = execFile(path, [...args], options, (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        resolve({ code, out, err });
      });
      // It may have ended without reading.
      child.stdin?.on('error', () => {});
      child.stdin?.end(input);
    });
  return Object.assign(run, { line });
}
