import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfigShard, parseShardHeader, SHARD_MEMBERS } from '@sluice/crds';

/**
 * Shards of mounted ConfigMaps, each in a directory of its own below `directory`. What cannot be read is left out: a set of which a shard is missing is not used.
 *
 * A mount is swapped behind a link while it is read, so header and content may be of two sets; then the whole cannot be unpacked, or its hash is wrong.
 */
export async function mountedShards(directory: string): Promise<readonly ConfigShard[]> {
  const names = await readdir(directory).catch(() => []);
  const shards = await Promise.all(
    names.filter((name) => !name.startsWith('.')).map((name) => shardAt(join(directory, name))),
  );
  return shards.filter((shard) => shard !== undefined);
}

async function shardAt(directory: string): Promise<ConfigShard | undefined> {
  try {
    const header = parseShardHeader(await readFile(join(directory, SHARD_MEMBERS.header), 'utf8'));
    if (header === undefined) return undefined;
    return { header, config: await readFile(join(directory, SHARD_MEMBERS.config)), forms: new Uint8Array() };
  } catch {
    return undefined;
  }
}
