import type { EgressConfig } from '@sluice/crds';
import type { Command } from 'commander';
import { compileFiles, NO_LIBRARY, providerLibrary, readGivenFiles } from '../config/mod.ts';
import { diffConfigs } from './config-diff.ts';
import { configDiffText } from './config-diff-text.ts';
import { ProblemsFound } from './problems-found.ts';
import { NO_PROVIDERS } from './validate.ts';

/** Adds `sluice diff`: what a change of resources comes to. */
export function diff(program: Command): void {
  program
    .command('diff')
    .summary('Say what a change of resources comes to')
    .description(
      'Compares two sets of resources in effective terms: pools and sources that come, go or change, and for each destination every option ' +
        'and limit that differs. Order, comments and what changes nothing are not told. Exit code 0 whether or not something differs.',
    )
    .argument('<old>', 'file or directory')
    .argument('<new>', 'file or directory')
    .option(...NO_PROVIDERS)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice diff resources.before resources\n' +
        '  $ git worktree add -q before main && sluice diff before/resources resources\n' +
        '  $ sluice diff --json resources.before resources\n',
    )
    .action(async (old: string, now: string, { providers }: { providers: boolean }, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: true }>();
      const changes = diffConfigs(await configOf(old, providers), await configOf(now, providers));
      command.configureOutput().writeOut?.(json ? `${JSON.stringify(changes)}\n` : configDiffText(changes));
    });
}

async function configOf(path: string, providers: boolean): Promise<EgressConfig> {
  const given = await readGivenFiles([path], true);
  const { compiled, problems } = compileFiles(given.resources, providers ? providerLibrary() : NO_LIBRARY);
  const all = [...given.problems, ...problems];
  if (all.length > 0) throw new ProblemsFound(all);
  return compiled.config;
}
