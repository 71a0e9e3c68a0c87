import { fileURLToPath } from 'node:url';
import { type StartedProgram, startProgram } from './started-program.ts';

const MAIN = fileURLToPath(import.meta.resolve('@sluice/mta/main'));

/** A running `sluice proxy`. */
export interface ProxyProcess extends StartedProgram {
  readonly host: string;
  readonly port: number;
  readonly admin: string;
}

/**
 * Starts `sluice proxy` on a free port and waits until it listens.
 *
 * Example: `const proxy = await startProxyProcess(['--allow-target', '127.0.0.0/8']);`
 */
export async function startProxyProcess(
  flags: readonly string[],
  { listen = '127.0.0.1:0', prefix = [] as readonly string[] } = {},
): Promise<ProxyProcess> {
  const program = startProgram([
    ...prefix,
    MAIN,
    'proxy',
    '--listen',
    listen,
    '--admin',
    '127.0.0.1:0',
    ...flags,
  ]);
  const endpoint = (listener: string) =>
    program.line((line) => {
      if (!line.includes('"listening"')) return undefined;
      const said = JSON.parse(line);
      return said.listener === listener ? { host: String(said.address), port: Number(said.port) } : undefined;
    });
  const { host, port } = await endpoint('proxy');
  const admin = await endpoint('admin');
  return { ...program, host, port, admin: `http://${admin.host}:${admin.port}` };
}
