import { Command } from 'commander';
import { EXIT_CODES } from './exit-code.ts';
import { failureJson, failureOf, failureText } from './failure.ts';

/** Adds one sub-command, its options, examples and action to the program. */
export type AddCommand = (program: Command) => void;

/**
 * One line of the command list. The module behind `load` is read only when its command is asked for, so `--help`
 * stays quick however much a command needs.
 */
export interface CommandEntry {
  readonly name: string;
  /** For the list in `sluice --help`; the command itself may say more. */
  readonly summary: string;
  readonly load: () => Promise<AddCommand>;
}

export interface CommandLineOptions {
  readonly commands: readonly CommandEntry[];
  readonly version: string;
  readonly writeOut: (text: string) => void;
  readonly writeErr: (text: string) => void;
}

const PROGRAM = 'sluice';
/** Read by every command with `command.optsWithGlobals()`; may stand before or after the command's name. */
const JSON_OPTION = '--json';

/**
 * Runs `sluice <arguments>` and resolves with the exit code (see `exit-code.ts`). Never rejects: what a command
 * throws is printed, for people or with `--json` for programs.
 *
 * Example: `process.exitCode = await runCommandLine(process.argv.slice(2), options)`
 */
export async function runCommandLine(args: readonly string[], options: CommandLineOptions): Promise<number> {
  const wanted = args.filter((argument) => !argument.startsWith('-') && argument !== 'help')[0];
  try {
    const program = newProgram(options);
    for (const entry of options.commands) {
      if (entry.name === wanted) (await entry.load())(program);
      else program.command(entry.name).description(entry.summary);
    }
    await program.parseAsync(args, { from: 'user' });
    return EXIT_CODES.ok;
  } catch (error) {
    const known = options.commands.some(({ name }) => name === wanted);
    const failure = failureOf(error, known ? `${PROGRAM} ${wanted}` : PROGRAM);
    options.writeErr(args.includes(JSON_OPTION) ? failureJson(failure) : failureText(failure));
    return failure.exitCode;
  }
}

function newProgram({ version, writeOut, writeErr }: CommandLineOptions): Command {
  return new Command(PROGRAM)
    .description('Sluice, an outbound mail transfer agent.')
    .version(version)
    .option(JSON_OPTION, 'print results and errors as JSON')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut,
      writeErr,
      // Errors are printed in one place, with their cure.
      outputError: () => undefined,
    })
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  $ sluice run --config sluice.yaml',
        '  $ sluice help run',
        '',
        'Exit codes: 0 done, 1 problems in files or failed, 2 wrong command line.',
      ].join('\n'),
    );
}
