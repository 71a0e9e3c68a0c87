import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { SluiceError } from '@sluice/crds';
import { type Layout, layoutMetadata } from './layout.ts';

/** What the streams are made with, and held against. */
export interface StreamOptions {
  /** Copies of every message: 1 or 3. */
  readonly replicas: number;
  /** Bytes of all SPOOL streams together; dealt out evenly. */
  readonly spoolBytes: number;
  /** Bytes of DEFER. */
  readonly deferBytes: number;
  /** Bytes of JOURNAL: reserved, so that a full SPOOL still lets outcomes be written. */
  readonly journalBytes: number;
}

type Wanted = Partial<StreamConfig> & { readonly name: string; readonly subjects: string[] };

/** What Sluice's streams look like. */
export function wantedStreams(layout: Layout, options: StreamOptions): readonly Wanted[] {
  const common = {
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    // Full means no to new mail, never that old mail vanishes.
    discard: DiscardPolicy.New,
    max_age: 0,
    max_msgs: -1,
    max_msgs_per_subject: -1,
    num_replicas: options.replicas,
    allow_direct: true,
    metadata: { ...layoutMetadata(layout) },
  };
  return [
    ...layout.spoolStreamNames.map((name, index) => ({
      ...common,
      name,
      subjects: [layout.spoolSubjects(index)],
      max_bytes: Math.floor(options.spoolBytes / layout.spoolStreams),
    })),
    {
      ...common,
      name: layout.journalStream,
      subjects: [layout.journalSubjects],
      max_bytes: options.journalBytes,
    },
    { ...common, name: layout.deferStream, subjects: [layout.deferSubjects], max_bytes: options.deferBytes },
  ];
}

/**
 * Makes the streams that are missing and checks those that are there; many pods may do it at once.
 *
 * @throws {SluiceError} `SLUICE_NATS_STREAM` for a stream that would lose mail, `SLUICE_NATS_UNUSABLE`
 */
export async function ensureStreams(
  manager: JetStreamManager,
  layout: Layout,
  options: StreamOptions,
): Promise<void> {
  await Promise.all(
    wantedStreams(layout, options).map(async (wanted) => {
      const found = (await infoOf(manager, wanted.name)) ?? (await made(manager, wanted));
      refuseWrong(found, wanted);
    }),
  );
}

/**
 * Checks the streams without making any.
 *
 * @throws {SluiceError} `SLUICE_NATS_STREAM`, `SLUICE_NATS_UNUSABLE`
 */
export async function checkStreams(
  manager: JetStreamManager,
  layout: Layout,
  options: StreamOptions,
): Promise<void> {
  await Promise.all(
    wantedStreams(layout, options).map(async (wanted) => {
      const found = await infoOf(manager, wanted.name);
      if (found === undefined) {
        const cure = 'Make it (docs/reference/nats.md), or set spec.spool.jetstream.streams to Create.';
        throw new SluiceError('SLUICE_NATS_UNUSABLE', { reason: `there is no stream ${wanted.name}`, cure });
      }
      refuseWrong(found, wanted);
    }),
  );
}

function refuseWrong(found: StreamInfo, wanted: Wanted): void {
  const wrong = wrongSetting(found.config, wanted);
  if (wrong !== undefined) throw new SluiceError('SLUICE_NATS_STREAM', { stream: wanted.name, ...wrong });
}

async function infoOf(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (apiCode(error) === JetStreamApiCodes.StreamNotFound) return undefined;
    throw unusable(error, name);
  }
}

async function made(manager: JetStreamManager, wanted: Wanted): Promise<StreamInfo> {
  try {
    return await manager.streams.add(wanted);
  } catch (error) {
    // Another pod was faster, with other settings: the check tells which.
    const found = await infoOf(manager, wanted.name);
    if (found !== undefined) return found;
    throw unusable(error, wanted.name);
  }
}

/** Numbers of nats-server's `errors.json` that have a cure of their own. */
const CURES: Readonly<Record<number, string>> = {
  10002: 'Raise the limits of the account, or lower spec.spool.jetstream.maxBytes.',
  10005:
    'Start as many servers as spec.spool.jetstream.durability needs (3, or 1 for Single), with room for maxBytes.',
  10023: 'Raise max_file_store of the servers, or lower spec.spool.jetstream.maxBytes.',
  10047: 'Raise max_file_store of the servers, or lower spec.spool.jetstream.maxBytes.',
  10065:
    'Another stream takes these subjects: remove it, or give Sluice another spec.spool.jetstream.prefix.',
  10074: 'Replicated and Synced need a cluster of three servers; use durability: Single to try one.',
  10039: 'Enable JetStream for the account of the user.',
  10076: 'Enable JetStream on the server.',
};

function unusable(error: unknown, stream: string): SluiceError {
  const reason = error instanceof Error ? error.message : String(error);
  const cure =
    CURES[apiCode(error)] ??
    'Check that JetStream is enabled for the account, that the cluster has a leader, and the permissions of the user (docs/reference/nats.md).';
  return new SluiceError('SLUICE_NATS_UNUSABLE', { reason: `${stream}: ${reason}`, cure }, {}, error);
}

function apiCode(error: unknown): number {
  return error instanceof JetStreamApiError ? error.code : 0;
}

export interface WrongSetting {
  readonly field: string;
  readonly found: string;
  readonly wanted: string;
  readonly cure: string;
}

/** The first setting of a stream with which mail would be lost or misplaced; `undefined` = it will do. */
export function wrongSetting(found: Partial<StreamConfig>, wanted: Wanted): WrongSetting | undefined {
  const edit = (change: string): string => `nats stream edit ${wanted.name} ${change}`;
  const remake =
    'It cannot be changed: let Sluice use another spec.spool.jetstream.prefix, or remove the stream once it is empty.';
  const checks: readonly (readonly [string, unknown, unknown, string])[] = [
    ['metadata sluice.format', found.metadata?.['sluice.format'], wanted.metadata?.['sluice.format'], remake],
    [
      'metadata sluice.segments',
      found.metadata?.['sluice.segments'],
      wanted.metadata?.['sluice.segments'],
      remake,
    ],
    [
      'metadata sluice.spoolStreams',
      found.metadata?.['sluice.spoolStreams'],
      wanted.metadata?.['sluice.spoolStreams'],
      'Set spec.spool.jetstream.spoolStreams to what the streams were made with.',
    ],
    [
      'subjects',
      found.subjects?.join(' '),
      wanted.subjects.join(' '),
      edit(`--subjects '${wanted.subjects.join(',')}'`),
    ],
    ['retention', found.retention, wanted.retention, remake],
    ['storage', found.storage, wanted.storage, remake],
    ['discard', found.discard, wanted.discard, edit('--discard new')],
    ['max_age', found.max_age, wanted.max_age, edit('--max-age 0')],
    ['max_msgs', found.max_msgs, wanted.max_msgs, edit('--max-msgs -1')],
    [
      'max_msgs_per_subject',
      found.max_msgs_per_subject,
      wanted.max_msgs_per_subject,
      edit('--max-msgs-per-subject -1'),
    ],
    ['num_replicas', found.num_replicas, wanted.num_replicas, edit(`--replicas ${wanted.num_replicas}`)],
    ['allow_direct', found.allow_direct ?? false, true, edit('--allow-direct')],
    ['sealed', found.sealed ?? false, false, remake],
    ['deny_purge', found.deny_purge ?? false, false, remake],
  ];
  for (const [field, has, needs, cure] of checks) {
    if (has !== needs) return { field, found: String(has ?? 'nothing'), wanted: String(needs), cure };
  }
  if (!((found.max_bytes ?? -1) > 0)) {
    const cure = edit(`--max-bytes ${wanted.max_bytes}`);
    return { field: 'max_bytes', found: 'no bound', wanted: 'one, so that room for the journal stays', cure };
  }
  return undefined;
}
