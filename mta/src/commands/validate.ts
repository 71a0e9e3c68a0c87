import type { Command } from 'commander';
import {
  compileFiles,
  loadSettings,
  type Problem,
  readGivenFiles,
  type Settings,
  unknownNames,
} from '../config/mod.ts';
import { failureText } from './failure.ts';
import { ProblemsFound } from './problems-found.ts';

/** What `sluice validate --json` prints. */
export interface Validation {
  readonly valid: boolean;
  readonly files: number;
  readonly pools: number;
  readonly policies: number;
  /** By file and line. */
  readonly errors: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** Adds `sluice validate`: every mistake in settings and resources. */
export function validate(program: Command): void {
  program
    .command('validate')
    .summary('Check settings and resource files')
    .description(
      'Lists every mistake in the files with its line, field and cure, and warns where resources refer to what is not there or contradict ' +
        'one another. All files are looked at together, as one MTA would read them; of a directory its *.yaml and *.yml files. ' +
        'Exit code 1 if there is a mistake; warnings alone are 0.',
    )
    .argument('<path...>', 'files and directories')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice validate resources\n  $ sluice validate sluice.yaml resources policies/new.yaml\n' +
        '  $ sluice validate --json resources\n',
    )
    .action(async (paths: readonly string[], _options: object, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: true }>();
      const { writeOut, writeErr } = command.configureOutput();
      const result = await validateFiles(paths);
      if (json) writeOut?.(`${JSON.stringify(result)}\n`);
      else {
        writeErr?.(failureText({ exitCode: 0, complaints: result.errors }));
        writeErr?.(warningText(result.warnings));
        writeOut?.(summary(result));
      }
      if (!result.valid) throw new ProblemsFound(result.errors, true);
    });
}

/** Checks files and directories together. Never throws for what a user wrote. */
export async function validateFiles(paths: readonly string[]): Promise<Validation> {
  const given = await readGivenFiles(paths);
  const loaded = given.settings.map((file) => loadSettings(file));
  const set = compileFiles(given.resources);
  const { config, statuses } = set.compiled;
  const settings = loaded.flatMap((one) => ('settings' in one ? [one.settings] : []));
  const errors = [
    ...given.problems,
    ...loaded.flatMap((one) => ('problems' in one ? one.problems : [])),
    ...set.problems,
  ];
  return {
    valid: errors.length === 0,
    files: given.settings.length + given.resources.size,
    pools: statuses.filter(({ kind }) => kind === 'EgressPool').length,
    policies: statuses.filter(({ kind }) => kind === 'ShapingPolicy').length,
    errors: errors.toSorted(byPlace),
    warnings: [...set.warnings.toSorted(byPlace), ...unknownTo(settings, config)],
  };
}

/** With wrong settings among the files their names cannot be told, so nothing is said about names. */
function unknownTo(settings: readonly Settings[], config: Parameters<typeof unknownNames>[0]) {
  if (settings.length === 0) return [];
  return unknownNames(config, {
    tenants: settings.flatMap(({ tenants }) => tenants),
    classes: settings.flatMap(({ classes }) => classes),
    certificates: settings.flatMap(({ certificates }) => certificates),
    credentials: new Map(settings.flatMap(({ credentials }) => [...credentials])),
  });
}

function byPlace(a: Problem, b: Problem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

function warningText(warnings: readonly Problem[]): string {
  return warnings
    .map((warning) => `warning: ${failureText({ exitCode: 0, complaints: [warning] })}`)
    .join('');
}

/** `3 files, 2 pools, 1 policy: valid` */
function summary({ files, pools, policies, errors, warnings, valid }: Validation): string {
  const told = [
    errors.length === 0 ? '' : count(errors.length, 'problem', 'problems'),
    warnings.length === 0 ? '' : count(warnings.length, 'warning', 'warnings'),
  ].filter((part) => part !== '');
  const outcome = [...(valid ? ['valid'] : []), ...told].join(', ');
  return `${count(files, 'file', 'files')}, ${count(pools, 'pool', 'pools')}, ${count(policies, 'policy', 'policies')}: ${outcome}\n`;
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
