/** The `sluice` command line. */
export {
  type AddCommand,
  type CommandEntry,
  type CommandLineOptions,
  runCommandLine,
} from './command-line.ts';
export { COMMANDS } from './command-list.ts';
export { EXIT_CODES } from './exit-code.ts';
export { ProblemsFound } from './problems-found.ts';
