import { readFileSync } from 'node:fs';
import { SluiceError } from '@sluice/crds';
import type { Command } from 'commander';
import { plainReason } from '../config/mod.ts';
import { type InputFile, kumoShaping, powermtaConfig, type Translation } from '../migrate/mod.ts';
import { ProblemsFound } from './problems-found.ts';

const AFTER_KUMO =
  '\nExamples:\n  $ sluice import kumo shaping.toml > policy.yaml\n  $ sluice import kumo shaping.toml custom.toml --json\n';
const AFTER_POWERMTA = '\nExample:\n  $ sluice import powermta /etc/pmta/config > resources.yaml\n';

/** Adds `sluice import kumo` and `sluice import powermta`. */
export function importSettings(program: Command): void {
  const group = program
    .command('import')
    .summary("Translate another mail system's settings")
    .description(
      'Prints resources on standard output and, on standard error, the list of what was not translated, with file, line and reason. ' +
        'Exit code 1 if a file cannot be read as what it should be.',
    );
  group
    .command('kumo')
    .description("Translates KumoMTA's shaping files, TOML or JSON; a later file refines those before it.")
    .argument('<file...>', 'shaping files in the order in which KumoMTA loads them')
    .addHelpText('after', AFTER_KUMO)
    .action((files: readonly string[], _options: object, command: Command) =>
      print(kumoShaping(files.map(inputFile)), command),
    );
  group
    .command('powermta')
    .description('Translates domain directives, virtual MTAs, their pools and pattern lists of PowerMTA.')
    .argument('<file>', 'configuration file')
    .addHelpText('after', AFTER_POWERMTA)
    .action((file: string, _options: object, command: Command) =>
      print(powermtaConfig(inputFile(file).text, file), command),
    );
}

function print({ documents, notTranslated }: Translation, command: Command): void {
  const { json } = command.optsWithGlobals<{ json?: true }>();
  const { writeOut, writeErr } = command.configureOutput();
  if (json) writeOut?.(`${JSON.stringify({ documents, notTranslated })}\n`);
  else {
    writeOut?.(documents.join('---\n'));
    if (notTranslated.length > 0)
      writeErr?.('Not translated, or not in the same sense; look at each before you use the result:\n');
    for (const { file, line, directive, reason } of notTranslated)
      writeErr?.(`${file}:${line}: ${directive === '' ? '' : `${directive}: `}${reason}\n`);
  }
  if (documents.length === 0) {
    if (!json)
      writeErr?.(
        'Nothing was translated: these are no files of the kind that the sub-command is for, or they are empty.\n',
      );
    throw new ProblemsFound([], true);
  }
  // A file without which the result is something else; what is wrong has been printed.
  if (notTranslated.some(({ directive }) => directive === '')) throw new ProblemsFound([], true);
}

function inputFile(name: string): InputFile {
  try {
    return { name, text: readFileSync(name, 'utf8') };
  } catch (error) {
    const reason = plainReason(error);
    throw new SluiceError('SLUICE_CONFIG_UNREADABLE', { file: name, reason }, { file: name }, error);
  }
}
