import {
  API_VERSION,
  type Compiled,
  type CompileInput,
  compile,
  formHash,
  formsOf,
  type ParsedResource,
  packConfigSet,
  type Resource,
  type ResourceKind,
  resourceKey,
} from '@sluice/crds';
import type { FeedbackSource } from '../feedback/mod.ts';
import {
  type ApiClient,
  type ApiFailure,
  apply,
  type CollectionName,
  FIELD_MANAGER,
  type KubeObject,
  LatestObjects,
  type Logger,
  type OpenWatch,
  Reflector,
  type ReflectorTiming,
  type WatchedCollection,
  WorkQueue,
  type WorkResult,
} from '../kube/mod.ts';
import { EgressFindings } from './egress-findings.ts';
import { FormGenerations } from './form-generations.ts';
import { type GivenObject, InputCache } from './input-cache.ts';
import type { Publication } from './operator-conditions.ts';
import { PodGenerations, type PublishedSet } from './programming.ts';
import type { ReconcileObserver } from './reconcile-observer.ts';
import { CONFIG_LABEL, shardIn } from './shard-config-map.ts';
import { type ShardWrite, shardWrites } from './shard-writes.ts';
import { type Found, type PodsView, type Review, StatusWriter } from './status-writer.ts';
import { DONE, remember, retryAfter } from './write-outcome.ts';

/** Changes that come together are compiled together: `kubectl apply -f` of a directory is one set. Milliseconds. */
const SETTLE_MS = 30;
/** Everything is looked at again after this time, as if it had changed: what was changed behind the operator's back is put right. Milliseconds. */
const RESYNC_MS = 600_000;
/** Statuses that are written side by side. */
const WORKERS = 8;
/** ConfigMaps of one step that are written side by side. */
const WRITES_AT_ONCE = 4;
/** After so many failures to write ConfigMaps, one after the other, the statuses say so: an API server that restarts is no news. */
const FAILURES_TO_TELL = 3;

/** Statuses are looked at again so often while pods say something new; what they do is seen no later. Milliseconds. */
const REVIEW_MS = 5_000;
/** News of pods that come together are looked at together. Milliseconds. */
const PODS_SETTLE_MS = 10;

const COMPILE = 'compile';

export interface ReconcilerOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  /** First part of the ConfigMaps' names, and value of their label. */
  readonly release: string;
  /** Of this operator, in Events. */
  readonly identity: string;
  /** Resources that come with the program; one of the same kind and name in the cluster takes its place. */
  readonly library: readonly ParsedResource[];
  /** Asked before each write. */
  readonly isLeader: () => boolean;
  /** What pods say that they run. */
  readonly feedback: FeedbackSource;
  /** Pods that do not say whose ConfigMaps they follow are those of this namespace; default: they are. */
  readonly countsUnnamedPods?: boolean;
  readonly logger: Logger;
  readonly observer: ReconcileObserver;
  readonly random: () => number;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly timing?: ReflectorTiming;
  /** How collections are watched; default: a reflector for each. */
  readonly openWatch?: OpenWatch;
}

/** A collection and what is known of it. */
interface Collection {
  readonly path: string;
  readonly reflector: WatchedCollection;
  readonly latest: LatestObjects;
}

/**
 * Keeps the ConfigMaps of one namespace equal to `compile` of its resources, and the status of each resource true. Level-based: it looks at what is there, never at what happened.
 * It watches from the start and writes only between `lead` and `follow`.
 *
 * Example: `const reconciler = new Reconciler({ … }); reconciler.start(); election.start() // onElected: () => reconciler.lead()`
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #resources: Readonly<Record<ResourceKind, Collection>>;
  readonly #configMaps: Collection;
  readonly #statuses: StatusWriter;
  readonly #inputs = new InputCache();
  readonly #queue: WorkQueue;
  readonly #resync: NodeJS.Timeout;
  #settle: NodeJS.Timeout | undefined;
  #leads = false;
  /** Of the last compile; `undefined` = this operator has not compiled since it leads, the ConfigMaps know. */
  #lastGood: ReadonlyMap<string, Resource> | undefined;
  readonly #unfollow: () => void;
  readonly #forms = new FormGenerations();
  #published: PublishedSet | undefined;
  #compiled: Compiled | undefined;
  #podsSoon: NodeJS.Timeout | undefined;
  #review: NodeJS.Timeout | undefined;
  #publication: Publication = { type: 'Published' };
  #failures = 0;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    const api = `/apis/${API_VERSION}`;
    this.#resources = {
      EgressPool: this.#collection({ api, resource: 'egresspools' }, (names) =>
        this.#heard('EgressPool', names),
      ),
      ShapingPolicy: this.#collection({ api, resource: 'shapingpolicies' }, (names) =>
        this.#heard('ShapingPolicy', names),
      ),
    };
    this.#configMaps = this.#collection(
      { api: '/api/v1', resource: 'configmaps', labelSelector: `${CONFIG_LABEL}=${options.release}` },
      (names) => {
        if (names.length === 0 || this.#configMaps.latest.heard(names).length > 0) this.#compileSoon();
      },
    );
    const { client, namespace, identity, logger, observer, nowMs, wallMs } = options;
    this.#statuses = new StatusWriter({
      client,
      namespace,
      identity,
      resources: this.#resources,
      logger,
      observer,
      nowMs,
      wallMs,
    });
    this.#unfollow = options.feedback.onChange(() => this.#podsChangedSoon());
    this.#queue = new WorkQueue({
      handle: (key) => (key === COMPILE ? this.#compile() : this.#writeStatus(key)),
      onBug: (key, error) => {
        const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
        options.logger.error({ key, reason }, 'reconciling failed: a bug');
      },
      workers: WORKERS,
      random: options.random,
    });
    this.#resync = setInterval(() => this.#queue.add(COMPILE), RESYNC_MS * (1 + options.random() / 10));
  }

  /** Names of what is watched and for how long nothing was heard of it, milliseconds; `undefined` = not yet listed. */
  get watches(): Readonly<Record<string, number | undefined>> {
    const all = { ...this.#resources, ConfigMap: this.#configMaps };
    return Object.fromEntries(
      Object.entries(all).map(([name, { reflector }]) => [
        name,
        reflector.synced ? reflector.silentMs : undefined,
      ]),
    );
  }

  /** Work that waits or is under way. */
  get queued(): number {
    return this.#queue.size;
  }

  start(): void {
    for (const { reflector } of this.#collections()) reflector.start();
  }

  /** Writes from now on. */
  lead(): void {
    this.#leads = true;
    this.#lastGood = undefined;
    this.#published = undefined;
    this.#forms.clear();
    this.#queue.add(COMPILE);
    this.#queue.start();
  }

  /** Writes no more; resolves when what was under way has ended. */
  async follow(): Promise<void> {
    this.#leads = false;
    await this.#queue.pause();
  }

  async stop(): Promise<void> {
    this.#leads = false;
    clearInterval(this.#resync);
    clearTimeout(this.#settle);
    clearTimeout(this.#podsSoon);
    clearTimeout(this.#review);
    this.#unfollow();
    await this.#queue.stop();
    await Promise.all(this.#collections().map(({ reflector }) => reflector.stop()));
  }

  #collection(name: CollectionName, onChange: (names: readonly string[]) => void): Collection {
    const { client, namespace, logger, random, nowMs, timing, openWatch } = this.#options;
    const { api, resource, ...selector } = name;
    const path = `${api}/namespaces/${namespace}/${resource}`;
    const reflector =
      openWatch?.(name, onChange) ??
      new Reflector({
        client,
        path,
        ...selector,
        onChange,
        logger,
        random,
        nowMs,
        ...(timing && { timing }),
      });
    return { path, reflector, latest: new LatestObjects(reflector) };
  }

  #collections(): readonly Collection[] {
    return [...Object.values(this.#resources), this.#configMaps];
  }

  /** News of resources: another spec is compiled; of the same one the status is looked at, in case somebody else wrote it. */
  #heard(kind: ResourceKind, names: readonly string[]): void {
    const { latest } = this.#resources[kind];
    // A list of nothing is news too: there may be nothing at all.
    if (names.length === 0) this.#compileSoon();
    const news = new Set(latest.heard(names));
    for (const name of names) {
      const key = resourceKey({ kind, name });
      // Also of an own write: a status that was written just after a user's change has that change in its answer.
      if (!this.#statuses.isCompiled(key, latest.get(name)?.metadata)) this.#compileSoon();
      else if (news.has(name)) this.#queue.add(key);
    }
  }

  #compileSoon(): void {
    this.#settle ??= setTimeout(() => {
      this.#settle = undefined;
      this.#queue.add(COMPILE);
    }, SETTLE_MS);
  }

  async #compile(): Promise<WorkResult> {
    // Before everything was listed once, what is missing means nothing. The lists wake this again.
    if (!this.#mayWrite() || !this.#collections().every(({ reflector }) => reflector.synced)) return DONE;
    const { library, observer, nowMs, wallMs, release, namespace } = this.#options;
    const startMs = nowMs();
    const objects = this.#objects();
    const given = this.#inputs.read(objects);
    const existing = existingOf(this.#configMaps.latest);
    if (this.#lastGood === undefined) {
      const shards = existing.flatMap((object) => shardIn(object) ?? []);
      this.#lastGood = formsOf(shards);
      const last = Math.max(0, ...shards.map(({ header }) => header.generation));
      this.#forms.begin(new Map([...this.#lastGood].map(([key, form]) => [key, formHash(form)])), last);
    }
    const compiled = compile({ resources: withLibrary(given, library), lastGood: this.#lastGood });
    this.#lastGood = compiled.lastGood;
    const givenKeys = new Set(given.map(resourceKey));
    const ownForms = [...compiled.lastGood].filter(([key]) => givenKeys.has(key)).map(([, form]) => form);
    const set = packConfigSet(compiled.config, ownForms);
    observer.compiled(nowMs() - startMs, compiled);

    const plan = shardWrites(existing, set, { release, namespace, nowS: wallMs() / 1_000 });
    const failure = await this.#publish(plan.steps);
    if (failure === 'NotLeader') return DONE;
    this.#failures = failure === undefined ? 0 : this.#failures + 1;
    let fresh: readonly string[] = [];
    if (failure === undefined) {
      this.#publication = { type: 'Published' };
      this.#published = { generation: plan.generation, hash: compiled.config.hash };
      this.#compiled = compiled;
      fresh = this.#forms.published(compiled.statuses, plan.generation);
      observer.published(plan.generation, compiled.config.hash, set.count);
      if (plan.steps.length > 0) this.#tellPublished(plan.generation, compiled, set.count);
    } else if (this.#failures >= FAILURES_TO_TELL) {
      this.#publication = { type: 'Failed', reason: failure.message };
    }
    // A status never runs ahead of the ConfigMaps: it would say of a form that it is published which is not.
    if (failure === undefined || this.#publication.type === 'Failed') {
      this.#statuses.podsChanged(this.#podsView());
      const found = foundFor(compiled, objects, this.#forms);
      this.#take(this.#statuses.update(found, this.#publication, fresh));
    }
    return failure === undefined ? DONE : retryAfter(failure);
  }

  #podsChangedSoon(): void {
    this.#podsSoon ??= setTimeout(() => {
      this.#podsSoon = undefined;
      // Whoever waits for pods is told at once, all others in their turn.
      for (const key of this.#statuses.podsChanged(this.#podsView())) this.#queue.add(key);
      this.#reviewLater();
    }, PODS_SETTLE_MS);
  }

  #reviewLater(): void {
    this.#review ??= setTimeout(() => {
      this.#review = undefined;
      if (!this.#mayWrite()) return;
      this.#take(this.#statuses.review());
    }, REVIEW_MS);
  }

  #take({ keys, more }: Review): void {
    for (const key of keys) this.#queue.add(key);
    if (more) this.#reviewLater();
  }

  #podsView(): PodsView {
    const { feedback, observer, namespace, release, countsUnnamedPods = true } = this.#options;
    const owner = { configSet: `${namespace}/${release}`, withUnnamed: countsUnnamedPods };
    const generations = new PodGenerations(feedback.state, owner, this.#published);
    const findings = new EgressFindings(feedback.state, this.#compiled?.config);
    observer.pods(generations.counts(this.#published?.generation ?? 0), findings.unreachableSources);
    return { programming: (since) => generations.running(since), findings: (key) => findings.of(key) };
  }

  async #writeStatus(key: string): Promise<WorkResult> {
    return this.#mayWrite() ? this.#statuses.write(key) : DONE;
  }

  async #publish(steps: readonly (readonly ShardWrite[])[]): Promise<ApiFailure | 'NotLeader' | undefined> {
    for (const step of steps) {
      for (let at = 0; at < step.length; at += WRITES_AT_ONCE) {
        const ends = await Promise.all(
          step.slice(at, at + WRITES_AT_ONCE).map((write) => this.#write(write)),
        );
        const failure = ends.find((end) => end !== undefined);
        if (failure !== undefined) return failure;
      }
    }
    return undefined;
  }

  async #write(write: ShardWrite): Promise<ApiFailure | 'NotLeader' | undefined> {
    if (!this.#mayWrite()) return 'NotLeader';
    const { client, observer, logger } = this.#options;
    const { path, latest } = this.#configMaps;
    const name = write.type === 'Apply' ? write.configMap.metadata.name : write.name;
    const result =
      write.type === 'Apply'
        ? await apply(client, {
            path: `${path}/${name}`,
            object: { ...write.configMap },
            fieldManager: FIELD_MANAGER,
            force: true,
          })
        : await client.json({ method: 'DELETE', path: `${path}/${name}` });
    if (!result.ok && !(write.type === 'Delete' && result.kind === 'NotFound')) {
      observer.failed('ConfigMap', result);
      logger.warn({ configMap: name, reason: result.message }, 'a ConfigMap cannot be written');
      return result;
    }
    observer.wrote('ConfigMap');
    if (write.type === 'Delete') latest.deleted(name);
    else remember(latest, result);
    return undefined;
  }

  #objects(): readonly GivenObject[] {
    return KINDS.flatMap((kind) =>
      existingOf(this.#resources[kind].latest).map((object) => ({ kind, object })),
    );
  }

  #mayWrite(): boolean {
    return this.#leads && this.#options.isLeader();
  }

  #tellPublished(generation: number, { config, statuses }: Compiled, shards: number): void {
    const refused = statuses.filter(({ conditions }) =>
      conditions.some(({ type, status }) => type === 'Accepted' && status === 'False'),
    ).length;
    const counts = { pools: config.pools.length, policies: config.policies.length, refused, shards };
    this.#options.logger.info({ generation, hash: config.hash, ...counts }, 'a configuration is published');
  }
}

const KINDS: readonly ResourceKind[] = ['EgressPool', 'ShapingPolicy'];

function existingOf(latest: LatestObjects): readonly KubeObject[] {
  return latest.names().flatMap((name) => latest.get(name) ?? []);
}

function withLibrary(
  given: readonly CompileInput[],
  library: readonly ParsedResource[],
): readonly CompileInput[] {
  const keys = new Set(given.map(resourceKey));
  return [...given, ...library.filter((resource) => !keys.has(resourceKey(resource)))];
}

function foundFor(
  { statuses }: Compiled,
  objects: readonly GivenObject[],
  forms: FormGenerations,
): ReadonlyMap<string, Found> {
  const byKey = new Map(statuses.map((status) => [resourceKey(status), status]));
  return new Map(
    objects.flatMap(({ kind, object: { metadata } }) => {
      const key = resourceKey({ kind, name: metadata.name });
      const status = byKey.get(key);
      const { uid, generation = 0 } = metadata;
      const since = forms.since(key);
      return status === undefined ? [] : [[key, { status, uid, generation, since }] as const];
    }),
  );
}
