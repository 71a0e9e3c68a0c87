import { type ConfigShard, parseShardHeader, SHARD_MEMBERS } from '@sluice/crds';
import { z } from 'zod';
import type { KubeObject } from '../kube/mod.ts';

/** Label that says whose configuration a ConfigMap holds; pods and operator select by it. Its value is the name of the release. */
export const CONFIG_LABEL = 'sluice.email/config';

/** Where it is said to people; programs read the header in the data. */
const ANNOTATIONS = {
  generation: 'sluice.email/config-generation',
  hash: 'sluice.email/config-hash',
  setHash: 'sluice.email/config-set-hash',
  index: 'sluice.email/config-index',
  count: 'sluice.email/config-count',
} as const;

/** Of the set of the release `sluice`: `sluice-egress-0`. */
export function shardName(release: string, index: number): string {
  return `${release}-egress-${index}`;
}

/** A shard as a ConfigMap, in the form that server-side apply takes. Deterministic. */
export function shardConfigMap(release: string, namespace: string, shard: ConfigShard): ShardConfigMap {
  const { generation, hash, setHash, index, count } = shard.header;
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: shardName(release, index),
      namespace,
      labels: {
        'app.kubernetes.io/name': 'sluice',
        'app.kubernetes.io/instance': release,
        'app.kubernetes.io/managed-by': 'sluice-operator',
        [CONFIG_LABEL]: release,
      },
      annotations: {
        [ANNOTATIONS.generation]: String(generation),
        [ANNOTATIONS.hash]: hash,
        [ANNOTATIONS.setHash]: setHash,
        [ANNOTATIONS.index]: String(index),
        [ANNOTATIONS.count]: String(count),
      },
    },
    data: { [SHARD_MEMBERS.header]: JSON.stringify(shard.header) },
    binaryData: {
      [SHARD_MEMBERS.config]: Buffer.from(shard.config).toString('base64'),
      [SHARD_MEMBERS.forms]: Buffer.from(shard.forms).toString('base64'),
    },
  };
}

export interface ShardConfigMap {
  readonly apiVersion: 'v1';
  readonly kind: 'ConfigMap';
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly data: Readonly<Record<string, string>>;
  readonly binaryData: Readonly<Record<string, string>>;
}

const configMap = z.object({
  data: z.record(z.string(), z.string()).optional(),
  binaryData: z.record(z.string(), z.string()).optional(),
});

/** The shard in a ConfigMap; `undefined` = there is none, or one of another format. */
export function shardIn(object: KubeObject): ConfigShard | undefined {
  const parsed = configMap.safeParse(object);
  if (!parsed.success) return undefined;
  const { data = {}, binaryData = {} } = parsed.data;
  const header = parseShardHeader(data[SHARD_MEMBERS.header] ?? '');
  if (header === undefined) return undefined;
  return {
    header,
    config: Buffer.from(binaryData[SHARD_MEMBERS.config] ?? '', 'base64'),
    forms: Buffer.from(binaryData[SHARD_MEMBERS.forms] ?? '', 'base64'),
  };
}

/** Whether a ConfigMap is already as it is to be. Labels and annotations of others do not matter. */
export function isAsWanted(object: KubeObject, wanted: ShardConfigMap): boolean {
  const parsed = configMap.safeParse(object);
  if (!parsed.success) return false;
  const { labels = {}, annotations = {} } = object.metadata;
  return (
    contains(labels, wanted.metadata.labels) &&
    contains(annotations, wanted.metadata.annotations) &&
    contains(parsed.data.data ?? {}, wanted.data) &&
    contains(parsed.data.binaryData ?? {}, wanted.binaryData)
  );
}

function contains(
  given: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([name, value]) => given[name] === value);
}
