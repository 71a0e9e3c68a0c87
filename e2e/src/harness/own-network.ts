import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { whyNoNamespaces } from './network-namespace.ts';

const VARIABLE = 'SLUICE_OWN_NETWORK';

/** Whether this process is already where {@link runInOwnNetwork} puts it. */
export function isInOwnNetwork(): boolean {
  return process.env[VARIABLE] === '1';
}

/** Why a test file cannot have a network of its own here; `undefined` = it can. */
export function whyNoOwnNetwork(): string | undefined {
  return whyNoNamespaces();
}

/**
 * Runs a test file once more, in a network and with mounts of its own, where it may have any address and nothing outside is reached. Its lines that begin with `# ` are passed on;
 * rejects with all it said when a test of it fails.
 *
 * Example: `if (isInOwnNetwork()) test('…') else test('in a network of its own', () => runInOwnNetwork(import.meta.filename))`
 */
export function runInOwnNetwork(file: string): Promise<void> {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  // Also processes of its own: whatever way it ends, nothing that it started outlives it.
  const command = '--net --mount --propagation private --pid --fork --kill-child --mount-proc'.split(' ');
  const withLoopback = ['sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath];
  return new Promise((resolve, reject) => {
    const child = spawn('unshare', [...command, ...withLoopback, '--test', '--test-reporter=spec', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...environment, PATH: `${dirname(process.execPath)}:${process.env.PATH}`, [VARIABLE]: '1' },
    });
    const killWithUs = (): void => void child.kill('SIGKILL');
    process.once('exit', killWithUs);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Uint8Array) => {
        said += Buffer.from(chunk).toString();
      });
    child.once('error', reject);
    child.once('close', (code) => {
      process.off('exit', killWithUs);
      for (const [line] of said.matchAll(/^# .*$/gm)) process.stdout.write(`${line}\n`);
      if (code === 0) resolve();
      else reject(new Error(`it ended with ${code}:\n${said}`));
    });
  });
}
