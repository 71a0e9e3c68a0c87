import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { packedConfig } from './config-text.ts';
import type { EgressConfig } from './egress-config.ts';
import { FORM_GROUPS, packForms } from './packed-forms.ts';
import { type Resource, resourceKey } from './resource.ts';
import { validateResource } from './resource-parser.ts';

/** Most bytes of one shard: half of what a ConfigMap takes, so that what people add to it has room. */
export const SHARD_BUDGET_BYTES = 2 ** 19;
/** Room for the header. */
const HEADER_BYTES = 1_024;
/** A pod does not unpack more: somebody else's ConfigMap must not fill its memory. */
const MAX_UNPACKED_BYTES = 2 ** 29;

/** Names of the members of a ConfigMap, and of the files where it is mounted. */
export const SHARD_MEMBERS = {
  header: 'shard.json',
  /** A slice of the configuration: all slices of a set in their order are one gzip stream. */
  config: 'config.json.gz',
  /** A gzip stream of its own, a list of whole resources after a `null`: each shard can be read alone. */
  forms: 'forms.json.gz',
} as const;

/** What makes shards a set. Also in the mounted file: a mount shows no annotations. */
export interface ShardHeader {
  readonly formatVersion: 1;
  /** Of the set; a pod never goes back to a lower one. */
  readonly generation: number;
  /** Hash of the configuration, see `EgressConfig`. */
  readonly hash: string;
  /** SHA-256 (hex) of configuration and forms. */
  readonly setHash: string;
  readonly index: number;
  readonly count: number;
}

/** One ConfigMap's worth of a set. */
export interface ConfigShard {
  readonly header: ShardHeader;
  readonly config: Uint8Array;
  readonly forms: Uint8Array;
}

/** What is to be published: the configuration, and the forms that it was made of. */
export interface ConfigSet {
  readonly setHash: string;
  /** Its shards, once it is known which generation it gets. */
  readonly shards: (generation: number) => readonly ConfigShard[];
  readonly count: number;
}

/**
 * Packs a configuration and the forms in force into shards. Deterministic: the same content gives the same bytes (of one version of zlib), whatever came before.
 *
 * The number of shards is a power of two and a resource's place follows from its name, so when the number grows a resource stays where it is or moves to a shard that is new:
 * who writes new shards first, and deletes surplus last, never has a moment in which a form is in none.
 *
 * Example: `packConfigSet(compiled.config, [...compiled.lastGood.values()]).shards(7)`
 */
export function packConfigSet(
  config: EgressConfig,
  resources: readonly Resource[],
  budgetBytes = SHARD_BUDGET_BYTES,
): ConfigSet {
  const packed = packedConfig(config);
  const forms = packForms(resources);
  const setHash = createHash('sha256').update(config.hash).update(forms.hash).digest('hex');
  for (let count = 1; ; count *= 2) {
    const parts = slices(packed, count);
    const fits = parts.every(
      ({ length }, index) =>
        length + forms.sizeAt(index, count) + HEADER_BYTES <= budgetBytes || count >= FORM_GROUPS,
    );
    if (!fits) continue;
    return {
      setHash,
      count,
      shards: (generation) =>
        parts.map((part, index) => ({
          header: { formatVersion: 1, generation, hash: config.hash, setHash, index, count },
          config: part,
          forms: forms.at(index, count),
        })),
    };
  }
}

/**
 * The resources whose forms shards hold, by `Kind/name`; where shards of two sets differ the newer one counts. What this version cannot read any more is left out.
 *
 * Example: `compile({ resources, lastGood: formsOf(shards) })`
 */
export function formsOf(shards: readonly ConfigShard[]): ReadonlyMap<string, Resource> {
  const forms = new Map<string, Resource>();
  for (const { forms: packed } of shards.toSorted((a, b) => a.header.generation - b.header.generation)) {
    for (const value of unpackForms(packed)) {
      // How a list begins, see `packForms`.
      if (value === null) continue;
      const read = validateResource(value);
      if ('resource' in read) {
        const { kind, metadata } = read.resource;
        forms.set(resourceKey({ kind, name: metadata.name }), read.resource);
      }
    }
  }
  return forms;
}

/** Text of a packed slice that is whole; `undefined` = it is damaged. */
export function unpack(packed: Uint8Array): string | undefined {
  try {
    return gunzipSync(packed, { maxOutputLength: MAX_UNPACKED_BYTES }).toString('utf8');
  } catch {
    return undefined;
  }
}

const shardHeader = z.strictObject({
  formatVersion: z.literal(1),
  generation: z.int().min(0),
  hash: z.string(),
  setHash: z.string(),
  index: z.int().min(0),
  count: z.int().min(1).max(FORM_GROUPS),
});

/** Reads a header; `undefined` = it is none of ours, or of another version of the format. */
export function parseShardHeader(text: string): ShardHeader | undefined {
  try {
    const parsed = shardHeader.safeParse(JSON.parse(text));
    return parsed.success && parsed.data.index < parsed.data.count ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

function slices(bytes: Uint8Array, count: number): readonly Uint8Array[] {
  const size = Math.ceil(bytes.length / count);
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

function unpackForms(packed: Uint8Array): readonly unknown[] {
  const text = unpack(packed);
  if (text === undefined) return [];
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
