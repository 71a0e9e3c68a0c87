import {
  type ConfigShard,
  compile,
  errorText,
  newestSet,
  type Problem,
  parseEgressConfig,
  type WholeSet,
} from '@sluice/crds';
import { clusterApi, followConfigMaps } from './config-map-api.ts';
import { mountedShards } from './config-map-mount.ts';
import type { ConfigMapSettings } from './config-map-settings.ts';
import { LastGoodFile } from './last-good-file.ts';
import type { ResourceState } from './resource-state.ts';
import { unknownNames } from './unknown-names.ts';
import type { ResourceWatch, WatchOptions } from './watch-resources.ts';

export interface ConfigMapWatchOptions extends Omit<WatchOptions, 'directory' | 'library'> {
  readonly configMaps: ConfigMapSettings;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A mount is looked at this often; the kubelet itself takes a minute and more. Milliseconds. */
const MOUNT_POLL_MS = 2_000;
/** A start waits so long for a first set, then goes on with what was in force last. Milliseconds. */
const FIRST_SET_MS = 5_000;
/** After a failure, access by the service account is tried again after this time. Milliseconds. */
const ACCESS_RETRY_MS = 5_000;

/**
 * Follows the configuration in the ConfigMaps of `sluice-operator`, by the API server and by the mount, whichever has the newer whole set. A set that is incomplete, damaged or older
 * changes nothing: the last good one stays in force, over a restart too. Resolves when there is a first set, or none within a few seconds (look at `state.ok`).
 *
 * Example: `const resources = await watchConfigMaps({ configMaps: settings.configMaps, environment: process.env, settings, logger, onChange })`
 */
export async function watchConfigMaps(options: ConfigMapWatchOptions): Promise<ResourceWatch> {
  const { configMaps, logger, environment } = options;
  const set = new SetInForce(options);
  const stop = new AbortController();
  const first = Promise.withResolvers<void>();
  const offer = (shards: readonly ConfigShard[], from: string): void => {
    if (set.offer(shards, from)) first.resolve();
  };

  const { mountDirectory, release, serviceAccountDirectory, namespace } = configMaps;
  let poll: NodeJS.Timeout | undefined;
  if (mountDirectory !== undefined) {
    const look = async (): Promise<void> => {
      const shards = await mountedShards(mountDirectory);
      if (stop.signal.aborted) return;
      if (shards.length > 0) offer(shards, 'mount');
      poll = setTimeout(() => void look(), MOUNT_POLL_MS);
    };
    void look();
  }

  let told: string | undefined;
  const onFailure = (reason: string): void => {
    if (reason !== told)
      logger.warn({ reason }, 'the ConfigMaps cannot be followed at the API server; tried again');
    told = reason;
    set.unreachable(reason);
  };
  let access: NodeJS.Timeout | undefined;
  const follow = async (): Promise<void> => {
    try {
      const api = await clusterApi(environment, serviceAccountDirectory, namespace);
      set.follows(`${api.namespace}/${release}`);
      const labelSelector = `sluice.email/config=${release}`;
      const onShards = (shards: readonly ConfigShard[]): void => {
        told = undefined;
        offer(shards, 'API server');
      };
      await followConfigMaps({ api, labelSelector, onShards, onFailure, random: Math.random }, stop.signal);
    } catch (error) {
      onFailure(error instanceof Error ? error.message : String(error));
      if (!stop.signal.aborted) access = setTimeout(() => void follow(), ACCESS_RETRY_MS);
    }
  };
  void follow();

  const late = setTimeout(() => first.resolve(), FIRST_SET_MS);
  await first.promise;
  clearTimeout(late);
  set.begin();
  return {
    get state() {
      return set.state;
    },
    close() {
      stop.abort();
      clearTimeout(poll);
      clearTimeout(access);
    },
  };
}

/** Which set is in force, and what is said about it. */
class SetInForce {
  readonly #options: ConfigMapWatchOptions;
  readonly #lastGood: LastGoodFile | undefined;
  #generation = -1;
  #configSet: string | undefined;
  #begun = false;
  #state: ResourceState;

  constructor(options: ConfigMapWatchOptions) {
    this.#options = options;
    const { lastGoodFile, logger } = options;
    this.#lastGood = lastGoodFile === undefined ? undefined : new LastGoodFile(lastGoodFile, logger);
    const kept = keptSet(this.#lastGood);
    this.#generation = kept?.generation ?? -1;
    const config = kept?.config ?? compile({ resources: [] }).config;
    this.#state = this.#stateOf(config, [this.#problem('nothing was heard of them yet')]);
  }

  get state(): ResourceState {
    if (this.#generation < 0) return this.#state;
    const configSet = this.#configSet;
    return { ...this.#state, generation: this.#generation, ...(configSet !== undefined && { configSet }) };
  }

  /** It is known whose ConfigMaps are followed. */
  follows(configSet: string): void {
    this.#configSet = configSet;
  }

  /** From now on changes are told. */
  begin(): void {
    this.#begun = true;
  }

  /** Takes the newest whole set if it is newer than the one in force; `true` = a whole set was there. */
  offer(shards: readonly ConfigShard[], from: string): boolean {
    const { logger, onChange, onNews } = this.#options;
    const found = newestSet(shards);
    if ('missing' in found) {
      this.#degrade(this.#problem(found.missing));
      return false;
    }
    const { generation, config } = found.set;
    if (generation < this.#generation) return true;
    const isOther = config.hash !== this.#state.hash;
    const isNews = isOther || generation > this.#generation;
    this.#generation = generation;
    this.#state = isOther ? this.#stateOf(config, []) : { ...this.#state, ok: true, problems: [] };
    if (isNews) {
      this.#keep(found.set);
      const counts = { pools: config.pools.length, policies: config.policies.length };
      logger.info({ hash: config.hash, generation, from, ...counts }, 'a configuration is in force');
      for (const warning of this.#state.warnings)
        logger.warn({ ...warning }, 'the resources are in force, but look again');
    }
    if (isOther && this.#begun) onChange(this.#state);
    if (isNews && this.#begun) onNews?.(this.state);
    return true;
  }

  /** Without any set that is worth telling; with one, the pod goes on as it is. */
  unreachable(reason: string): void {
    if (this.#generation < 0) this.#degrade(this.#problem(reason));
  }

  #degrade(problem: Problem): void {
    if (this.#state.problems[0]?.what !== problem.what)
      this.#options.logger.error({ ...problem }, 'no whole configuration, the last good one stays in force');
    this.#state = { ...this.#state, ok: false, problems: [problem] };
  }

  #stateOf(config: WholeSet['config'], problems: readonly Problem[]): ResourceState {
    const { settings, now = Date.now } = this.#options;
    return {
      config,
      hash: config.hash,
      loadedAtMs: now(),
      ok: problems.length === 0,
      problems,
      refused: [],
      warnings: unknownNames(config, settings),
    };
  }

  #problem(reason: string): Problem {
    const code = 'SLUICE_CONFIG_SET_MISSING';
    const { release } = this.#options.configMaps;
    return { code, file: '', field: '', ...errorText(code, { release, reason }) };
  }

  #keep({ generation, config }: WholeSet): void {
    this.#lastGood?.write(
      new Map([
        [KEPT.generation, String(generation)],
        [KEPT.config, JSON.stringify(config)],
      ]),
    );
  }
}

/** Entries of the file beside the spool. */
const KEPT = { generation: 'generation', config: 'egress-config.json' } as const;

/** What was in force when this pod last ran; `undefined` = nothing, or nothing that this version reads. */
function keptSet(file: LastGoodFile | undefined): Pick<WholeSet, 'generation' | 'config'> | undefined {
  const files = file?.read();
  const parsed = parseEgressConfig(files?.get(KEPT.config) ?? '');
  const generation = Number(files?.get(KEPT.generation));
  return 'config' in parsed && Number.isSafeInteger(generation)
    ? { generation, config: parsed.config }
    : undefined;
}
