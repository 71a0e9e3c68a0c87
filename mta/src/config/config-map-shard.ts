import { type ConfigShard, parseShardHeader, SHARD_MEMBERS } from '@sluice/crds';
import { z } from 'zod';

const configMap = z.looseObject({
  metadata: z.looseObject({ name: z.string(), resourceVersion: z.string().default('') }),
  data: z.record(z.string(), z.string()).optional(),
  binaryData: z.record(z.string(), z.string()).optional(),
});

export type ConfigMapObject = z.infer<typeof configMap>;

export const configMapList = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string() }),
  items: z.array(configMap).nullable(),
});

/** A line of a watch; a `BOOKMARK` has a version only, an `ERROR` a code. */
export const configMapEvent = z.looseObject({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.looseObject({
    message: z.string().optional(),
    metadata: z
      .looseObject({ name: z.string().default(''), resourceVersion: z.string().default('') })
      .default({ name: '', resourceVersion: '' }),
    data: z.record(z.string(), z.string()).optional(),
    binaryData: z.record(z.string(), z.string()).optional(),
  }),
});

/** The shard that a ConfigMap holds; `undefined` = none, or one of another format. Forms are for the operator. */
export function shardOf({
  data = {},
  binaryData = {},
}: Pick<ConfigMapObject, 'data' | 'binaryData'>): ConfigShard | undefined {
  const header = parseShardHeader(data[SHARD_MEMBERS.header] ?? '');
  if (header === undefined) return undefined;
  const config = Buffer.from(binaryData[SHARD_MEMBERS.config] ?? '', 'base64');
  return { header, config, forms: new Uint8Array() };
}
