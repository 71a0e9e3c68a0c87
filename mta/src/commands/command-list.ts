import type { CommandEntry } from './command-line.ts';

/**
 * Every sub-command of `sluice`, in the order of the help. One line each; the modules are loaded on demand:
 *
 * `{ name: 'run', summary: 'Run the mail transfer agent', load: async () => (await import('./run.ts')).run }`
 */
export const COMMANDS: readonly CommandEntry[] = [];
