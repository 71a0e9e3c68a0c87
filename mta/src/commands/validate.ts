import type { Command } from 'commander';
import {
  compileFiles,
  NO_LIBRARY,
  type Problem,
  providerLibrary,
  readGivenFiles,
  type Settings,
  settingsFrom,
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
  /** Resources of other programs, which are left out. */
  readonly skipped: readonly Problem[];
}

/** Shared by the commands that read resources. */
export const NO_PROVIDERS = [
  '--no-providers',
  'without the provider library that comes with Sluice',
] as const;

/** Adds `sluice validate`: every mistake in settings and resources. */
export function validate(program: Command): void {
  program
    .command('validate')
    .summary('Check settings and resource files')
    .description(
      'Lists every mistake in the files with its line, field and cure, and warns where resources refer to what is not there or contradict ' +
        'one another. All files are looked at together, as one MTA would read them; of a directory its *.yaml and *.yml files and those below it. ' +
        'A file may hold several documents and lists; resources of other programs are skipped and named, so the output of Helm or Kustomize can be piped in. ' +
        'Exit code 1 if there is a mistake; warnings alone are 0.',
    )
    .argument('<path...>', 'files and directories; - is standard input')
    .option(...NO_PROVIDERS)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice validate resources\n  $ sluice validate sluice.yaml resources policies/new.yaml\n' +
        '  $ helm template mail charts/mail | sluice validate -\n  $ kubectl get epool,shape -o yaml | sluice validate -\n' +
        '  $ sluice validate --json resources\n',
    )
    .action(async (paths: readonly string[], { providers }: { providers: boolean }, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: true }>();
      const { writeOut, writeErr } = command.configureOutput();
      const result = await validateFiles(paths, providers);
      if (json) writeOut?.(`${JSON.stringify(result)}\n`);
      else {
        writeErr?.(failureText({ exitCode: 0, complaints: result.errors }));
        writeErr?.(warningText(result.warnings));
        writeErr?.(skippedText(result.skipped));
        writeOut?.(summary(result));
      }
      if (!result.valid) throw new ProblemsFound(result.errors, true);
    });
}

/**
 * Checks files and directories together. Never throws for what a user wrote.
 *
 * @param providers whether the provider library is there too; settings among the files may take it away
 */
export async function validateFiles(paths: readonly string[], providers = true): Promise<Validation> {
  const given = await readGivenFiles(paths);
  const loaded = Array.from(given.settings, ([file, text]) => settingsFrom(text, file));
  const settings = loaded.flatMap((one) => ('settings' in one ? [one.settings] : []));
  const hasLibrary = providers && settings.every((one) => one.providers === 'Enabled');
  const set = compileFiles(given.resources, hasLibrary ? providerLibrary() : NO_LIBRARY);
  const { config, statuses } = set.compiled;
  const own = statuses.filter(({ place }) => given.resources.has(place.file ?? ''));
  const errors = [
    ...given.problems,
    ...loaded.flatMap((one) => ('problems' in one ? one.problems : [])),
    ...set.problems,
  ];
  return {
    valid: errors.length === 0,
    files: given.settings.size + given.resources.size,
    pools: own.filter(({ kind }) => kind === 'EgressPool').length,
    policies: own.filter(({ kind }) => kind === 'ShapingPolicy').length,
    errors: errors.toSorted(byPlace),
    warnings: [...set.warnings.toSorted(byPlace), ...unknownTo(settings, config)],
    skipped: set.foreign.toSorted(byPlace),
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

/** One line each: many are skipped where a whole chart is piped in. */
function skippedText(skipped: readonly Problem[]): string {
  return skipped
    .map(({ file, line, column, what }) => `skipped: ${file}:${line}:${column}: ${what}\n`)
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
