import type { Problem } from '../config/mod.ts';

/**
 * What a command throws when the user's files are wrong: ends it with the list of problems and exit code 1.
 *
 * Example: `const loaded = loadSettings(file); if ('problems' in loaded) throw new ProblemsFound(loaded.problems)`
 */
export class ProblemsFound extends Error {
  readonly problems: readonly Problem[];
  /** `true` = the command has printed them itself; only the exit code is left to give. */
  readonly told: boolean;

  constructor(problems: readonly Problem[], told = false) {
    super(problems.length === 1 ? '1 problem' : `${problems.length} problems`);
    this.name = 'ProblemsFound';
    this.problems = problems;
    this.told = told;
  }
}
