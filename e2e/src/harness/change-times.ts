import { conditionOf, type OperatorRig, poolOf } from './operator-rig.ts';
import { until } from './until.ts';

/** From the start of `kubectl apply`, and from its return, milliseconds. */
export interface ChangeTimes {
  readonly kubectlMs: readonly number[];
  /** Until every pod runs it, from the start of kubectl. */
  readonly podsMs: readonly number[];
  /** Until the status says `Programmed=True` of this generation, from the start of kubectl. */
  readonly programmedMs: readonly number[];
  /** Writes of the operator for each change: ConfigMaps and statuses. */
  readonly configMapsPerChange: number;
  readonly statusesPerChange: number;
}

/** Nobody waits longer. */
const PATIENCE_MS = 20_000;

/**
 * Changes one pool again and again with `kubectl apply` and measures until pods run it and its status says so.
 *
 * Example: `const { programmedMs } = await changeTimes(rig, 200); quantile(programmedMs, 0.99)`
 */
export async function changeTimes(rig: OperatorRig, changes: number): Promise<ChangeTimes> {
  const name = 'measured';
  await rig.apply(poolOf(name, 'first.example.com'));
  await until(
    'it is programmed',
    () => conditionOf(rig.pools.get(name), 'Programmed'),
    (text) => text.startsWith('True'),
    PATIENCE_MS,
  );
  const before = await writes(rig);
  const kubectlMs: number[] = [];
  const podsMs: number[] = [];
  const programmedMs: number[] = [];
  for (let index = 1; index <= changes; index++) {
    const generation = (rig.pools.get(name)?.metadata.generation ?? 0) + 1;
    const { promise: programmed, resolve } = Promise.withResolvers<number>();
    const look = (): void => {
      if (conditionOf(rig.pools.get(name), 'Programmed') === `True/Programmed/${generation}`)
        resolve(performance.now());
    };
    rig.onPool = look;
    const hashBefore = await publishedHash(rig);
    const startMs = performance.now();
    await rig.apply(poolOf(name, `change-${index}.example.com`));
    kubectlMs.push(performance.now() - startMs);
    await allRunAnother(rig, hashBefore);
    podsMs.push(performance.now() - startMs);
    look();
    const late = setTimeout(() => resolve(Number.POSITIVE_INFINITY), PATIENCE_MS);
    programmedMs.push((await programmed) - startMs);
    clearTimeout(late);
  }
  rig.onPool = undefined;
  const after = await writes(rig);
  return {
    kubectlMs,
    podsMs,
    programmedMs,
    configMapsPerChange: (after.configMaps - before.configMaps) / changes,
    statusesPerChange: (after.statuses - before.statuses) / changes,
  };
}

/** Resolves when all pods run a configuration that is published and is not this one. */
async function allRunAnother(rig: OperatorRig, before: string): Promise<void> {
  await until(
    'all pods run what is published',
    async () => {
      const [published, ...running] = await Promise.all([
        publishedHash(rig),
        ...rig.pods.map(({ admin }) => hashAt(admin)),
      ]);
      return published !== before && running.every((hash) => hash === published);
    },
    Boolean,
    PATIENCE_MS,
  );
}

async function publishedHash({ operator }: OperatorRig): Promise<string> {
  const text = await (await fetch(`${operator.health}/metrics`)).text();
  return /^sluice_operator_config_info\{hash="([0-9a-f]+)"\} 1$/m.exec(text)?.[1] ?? '';
}

async function hashAt(admin: string): Promise<string> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  return /^sluice_config_info\{hash="([0-9a-f]+)"\} 1$/m.exec(text)?.[1] ?? '';
}

export async function writes({
  operator,
}: OperatorRig): Promise<{ readonly configMaps: number; readonly statuses: number }> {
  const text = await (await fetch(`${operator.health}/metrics`)).text();
  const count = (object: string): number =>
    Number(
      new RegExp(`^sluice_operator_writes_total\\{object="${object}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0,
    );
  return { configMaps: count('ConfigMap'), statuses: count('Status') };
}

/** Example: `quantile(times, 0.99)`; the greatest for 1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
