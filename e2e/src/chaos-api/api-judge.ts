import {
  type ConfigShard,
  compile,
  formHash,
  formsOf,
  newestSet,
  parseShardHeader,
  type ResourceKind,
  resourceInput,
  resourceKey,
  SHARD_MEMBERS,
} from '@sluice/crds';
import type { ApiClient } from '@sluice/operator';
import { z } from 'zod';
import { NAMESPACE } from './user-writes.ts';

export interface Verdict {
  /** What is not as it should be; empty = the ConfigMaps are what `compile` makes of what is stored, and each status says so. */
  readonly complaints: string[];
  readonly resources: number;
  /** Those that are wrong now and have a last good form. */
  readonly onLastGood: number;
}

const condition = z.object({
  type: z.string(),
  status: z.string(),
  observedGeneration: z.number().optional(),
});
const object = z.looseObject({
  metadata: z.looseObject({ name: z.string(), generation: z.number().default(0) }),
  status: z
    .looseObject({
      observedGeneration: z.number().optional(),
      conditions: z.array(condition).default([]),
    })
    .optional(),
});
const configMap = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  data: z.record(z.string(), z.string()).default({}),
  binaryData: z.record(z.string(), z.string()).default({}),
});

const PLURALS: Readonly<Record<ResourceKind, string>> = {
  EgressPool: 'egresspools',
  ShapingPolicy: 'shapingpolicies',
};
const KINDS: readonly ResourceKind[] = ['EgressPool', 'ShapingPolicy'];

/** Looks at what is stored as a stranger would: it knows nothing of the operator but what it promises. */
export async function judge(admin: ApiClient): Promise<Verdict> {
  const complaints: string[] = [];
  const shards = await shardsIn(admin);
  const set = newestSet(shards);
  const forms = formsOf(shards);
  const stored = [];
  for (const kind of KINDS) {
    const items = await list(admin, `/apis/sluice.email/v1alpha1/namespaces/${NAMESPACE}/${PLURALS[kind]}`);
    for (const item of items) {
      const parsed = object.parse(item);
      const { name } = parsed.metadata;
      stored.push({ kind, name, ...parsed, input: resourceInput(kind, name, parsed) });
    }
  }
  const compiled = compile({ resources: stored.map(({ input }) => input), lastGood: forms });
  if (!('set' in set)) complaints.push(set.missing);
  else if (set.set.config.hash !== compiled.config.hash)
    complaints.push('the ConfigMaps are not what compile makes of what is stored');
  const inForce = new Set(compiled.lastGood.keys());
  for (const key of forms.keys()) if (!inForce.has(key)) complaints.push(`${key} is gone and has a form`);
  let onLastGood = 0;
  for (const { kind, name, metadata, status } of stored) {
    const key = resourceKey({ kind, name });
    const wanted = compiled.statuses.find((each) => each.kind === kind && each.name === name);
    const form = compiled.lastGood.get(key);
    const kept = forms.get(key);
    if (form !== undefined && (kept === undefined || formHash(form) !== formHash(kept)))
      complaints.push(`${key} is in force in another form than the one that is kept`);
    if (status?.observedGeneration !== metadata.generation)
      complaints.push(`${key}: its status is of generation ${status?.observedGeneration}`);
    for (const { type, status: expected } of wanted?.conditions ?? []) {
      const said = status?.conditions.find((each) => each.type === type)?.status;
      if (said !== expected) complaints.push(`${key}: ${type} is ${said}, not ${expected}`);
      if (type === 'Accepted' && expected === 'False' && form !== undefined) onLastGood++;
    }
  }
  return { complaints, resources: stored.length, onLastGood };
}

async function shardsIn(admin: ApiClient): Promise<readonly ConfigShard[]> {
  const items = await list(
    admin,
    `/api/v1/namespaces/${NAMESPACE}/configmaps?labelSelector=sluice.email%2Fconfig%3Dsluice`,
  );
  return items.flatMap((item) => {
    const { data, binaryData } = configMap.parse(item);
    const header = parseShardHeader(data[SHARD_MEMBERS.header] ?? '');
    if (header === undefined) return [];
    const bytes = (name: string): Uint8Array => Buffer.from(binaryData[name] ?? '', 'base64');
    return [{ header, config: bytes(SHARD_MEMBERS.config), forms: bytes(SHARD_MEMBERS.forms) }];
  });
}

async function list(admin: ApiClient, path: string): Promise<readonly unknown[]> {
  const result = await admin.json({ method: 'GET', path });
  if (!result.ok) throw new Error(`${path}: ${result.message}`);
  const { items } = z.object({ items: z.array(z.unknown()) }).parse(result.body);
  return items;
}
