import type { EgressConfig } from '@sluice/crds';
import type { Command } from 'commander';
import { compileFiles, readGivenFiles } from '../config/mod.ts';
import { diffConfigs } from './config-diff.ts';
import { configDiffText } from './config-diff-text.ts';
import { ProblemsFound } from './problems-found.ts';

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
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice diff resources.before resources\n' +
        '  $ git worktree add -q before main && sluice diff before/resources resources\n' +
        '  $ sluice diff --json resources.before resources\n',
    )
    .action(async (old: string, now: string, _options: object, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: true }>();
      const changes = diffConfigs(await configOf(old), await configOf(now));
      command.configureOutput().writeOut?.(json ? `${JSON.stringify(changes)}\n` : configDiffText(changes));
    });
}

async function configOf(path: string): Promise<EgressConfig> {
  const given = await readGivenFiles([path], true);
  const { compiled, problems } = compileFiles(given.resources);
  const all = [...given.problems, ...problems];
  if (all.length > 0) throw new ProblemsFound(all);
  return compiled.config;
}
