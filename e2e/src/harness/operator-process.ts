import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type StartedProgram, startProgram } from './started-program.ts';

const MAIN = join(dirname(fileURLToPath(import.meta.resolve('@sluice/operator'))), 'main.ts');

/** A `sluice-operator` as a process. */
export interface OperatorProcess {
  readonly program: StartedProgram;
  /** Base of its health and metrics. */
  readonly health: string;
  /** Resolves when it writes. */
  readonly leads: Promise<unknown>;
}

/**
 * @param prefix command that starts it, as `env NAME=value` does; its process becomes the operator
 *
 * Example: `const operator = await startOperatorProcess(cluster.kubeconfig('operator'), 'mail'); await operator.leads`
 */
export async function startOperatorProcess(
  kubeconfig: string,
  namespace: string,
  flags: readonly string[] = [],
  prefix: readonly string[] = [],
): Promise<OperatorProcess> {
  const program = startProgram([
    ...prefix,
    // As users start it: its first line chooses the flags.
    MAIN,
    '--kubeconfig',
    kubeconfig,
    '--namespace',
    namespace,
    '--health',
    '127.0.0.1:0',
    ...flags,
  ]);
  const leads = program.line((line) => line.includes('"this operator leads"') || undefined);
  // Who does not wait for it need not hear that it ended before.
  leads.catch(() => {});
  const port = await program.line((line) => /"health":(\d+)/.exec(line)?.[1]);
  return { program, health: `http://127.0.0.1:${port}`, leads };
}
