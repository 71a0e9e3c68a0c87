import { errorText, type Problem } from '@sluice/crds';
import { LastGoodFile } from './last-good-file.ts';
import type { Logger } from './logger.ts';
import { NO_LIBRARY } from './provider-library.ts';
import { ResourceDirectory, type ResourceFiles } from './resource-directory.ts';
import { EMPTY_SET, nextResourceSet, type ResourceSet } from './resource-set.ts';
import type { ResourceState } from './resource-state.ts';
import type { CertificateSettings, ClassSettings, TenantSettings } from './settings.ts';
import { unknownNames } from './unknown-names.ts';

export interface WatchOptions {
  readonly directory: string;
  /** Resources that come with the program, see `providerLibrary`; absent = none. */
  readonly library?: ResourceFiles;
  /** Names that resources may refer to. */
  readonly settings: {
    readonly tenants: readonly TenantSettings[];
    readonly classes: readonly ClassSettings[];
    /** Absent = they are not looked at. */
    readonly certificates?: readonly CertificateSettings[];
  };
  readonly logger: Logger;
  /** Another configuration is in force now. Not called for the first one. */
  readonly onChange: (state: ResourceState) => void;
  /** As `onChange`, after it; and when the same configuration has another generation. Absent = nobody wants to know. */
  readonly onNews?: (state: ResourceState) => void;
  /** Where the files are kept that were last in order, for a start while one of them is broken; absent = nowhere. */
  readonly lastGoodFile?: string;
  /** Wall clock; another one in tests. */
  readonly now?: () => number;
}

export interface ResourceWatch {
  readonly state: ResourceState;
  close(): void;
}

/**
 * Loads the resources of a directory and follows their changes: in force within two seconds, the last good form where one
 * is broken. Resolves when the first load is done, be it good or not (look at `state.ok`); problems go to the log.
 *
 * Example: `const resources = await watchResources({ directory, settings, logger, onChange: ({ config }) => use(config) })`
 */
export async function watchResources(options: WatchOptions): Promise<ResourceWatch> {
  const { directory, library = NO_LIBRARY, logger, onChange, now = Date.now } = options;
  const lastGood =
    options.lastGoodFile === undefined ? undefined : new LastGoodFile(options.lastGoodFile, logger);
  const kept = tryNext(EMPTY_SET, lastGood?.read() ?? new Map(), library);
  let set = 'set' in kept ? kept.set : EMPTY_SET;
  let state: ResourceState | undefined;

  const enter = (unreadable?: Problem): void => {
    const before = state;
    const { config } = set.compiled;
    const isNew = before?.hash !== config.hash;
    const problems = unreadable === undefined ? set.problems : [unreadable];
    state = {
      config,
      hash: config.hash,
      loadedAtMs: isNew || before === undefined ? now() : before.loadedAtMs,
      ok: problems.length === 0,
      problems,
      refused: set.refused,
      warnings: [...set.warnings, ...set.foreign, ...unknownNames(config, options.settings)],
    };
    tell(logger, before, state);
    if (isNew && before !== undefined) {
      onChange(state);
      options.onNews?.(state);
    }
  };

  const watch = new ResourceDirectory({
    directory,
    onFiles(files) {
      const next = tryNext(set, files, library);
      if ('failure' in next) enter(next.failure);
      else {
        set = next.set;
        enter();
        if (set.problems.length === 0) lastGood?.write(files);
      }
    },
    onUnreadable(reason) {
      const code = 'SLUICE_CONFIG_UNREADABLE';
      enter({ code, file: directory, field: '', ...errorText(code, { file: directory, reason }) });
    },
  });
  await watch.start();
  return {
    get state() {
      if (state === undefined) throw new Error('the first load called neither callback');
      return state;
    },
    close: () => watch.close(),
  };
}

/** A bug in compile must not end a running MTA, least of all every pod at the same change. */
function tryNext(
  before: ResourceSet,
  files: ResourceFiles,
  library: ResourceFiles,
): { readonly set: ResourceSet } | { readonly failure: Problem } {
  try {
    return { set: nextResourceSet(before, files, library) };
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { failure: { code: 'SLUICE_BUG', file: '', field: '', ...errorText('SLUICE_BUG', { reason }) } };
  }
}

/** Says in the log what changed: each problem and warning once, when it appears. */
function tell(logger: Logger, before: ResourceState | undefined, state: ResourceState): void {
  const { config, hash, refused } = state;
  if (before?.hash !== hash) {
    const counts = { pools: config.pools.length, policies: config.policies.length };
    logger.info({ hash, ...counts }, 'a configuration is in force');
  }
  for (const problem of added(before?.problems, state.problems)) {
    logger.error({ ...problem, refused }, 'the resources are broken, the last good form stays in force');
  }
  for (const warning of added(before?.warnings, state.warnings)) {
    logger.warn({ ...warning }, 'the resources are in force, but look again');
  }
  if (before !== undefined && !before.ok && state.ok)
    logger.info({ hash }, 'the resources are in order again');
}

function added(before: readonly Problem[] | undefined, after: readonly Problem[]): readonly Problem[] {
  const known = new Set(before?.map((problem) => JSON.stringify(problem)));
  return after.filter((problem) => !known.has(JSON.stringify(problem)));
}
