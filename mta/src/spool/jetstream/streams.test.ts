import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream';
import { Layout } from './layout.ts';
import { podPermissions } from './permissions.ts';
import { wantedStreams, wrongSetting } from './streams.ts';

const layout = new Layout({ prefix: 'mail', spoolStreams: 4 });
const [spool, ...others] = wantedStreams(layout, {
  replicas: 3,
  spoolBytes: 4_000,
  deferBytes: 2_000,
  journalBytes: 1_000,
});
assert.ok(spool !== undefined);

test('room is dealt out to the SPOOL streams, and the journal has room of its own', () => {
  assert.equal(spool.max_bytes, 1_000);
  assert.deepEqual(
    others.map(({ name }) => name),
    ['mail-spool-1', 'mail-spool-2', 'mail-spool-3', 'mail-journal', 'mail-defer'],
  );
});

test('each setting with which mail would be lost is found', () => {
  assert.equal(wrongSetting({ ...spool }, spool), undefined);
  const changes: readonly (readonly [string, Partial<StreamConfig>])[] = [
    ['subjects', { subjects: ['mail.spool.1.>'] }],
    ['retention', { retention: RetentionPolicy.Workqueue }],
    ['storage', { storage: StorageType.Memory }],
    ['discard', { discard: DiscardPolicy.Old }],
    ['max_age', { max_age: 1 }],
    ['max_msgs', { max_msgs: 5 }],
    ['max_msgs_per_subject', { max_msgs_per_subject: 1 }],
    ['num_replicas', { num_replicas: 1 }],
    ['allow_direct', { allow_direct: false }],
    ['sealed', { sealed: true }],
    ['deny_purge', { deny_purge: true }],
    ['max_bytes', { max_bytes: -1 }],
    ['metadata sluice.format', { metadata: {} }],
    ['metadata sluice.spoolStreams', { metadata: { ...spool.metadata, 'sluice.spoolStreams': '2' } }],
  ];
  for (const [field, change] of changes) {
    const wrong = wrongSetting({ ...spool, ...change }, spool);
    assert.equal(wrong?.field, field);
    assert.ok(wrong.cure.length > 0);
  }
});

test('a bound that somebody raised later is not held against the stream', () => {
  assert.equal(wrongSetting({ ...spool, max_bytes: 1_000_000 }, spool), undefined);
});

test('a pod may publish to its own streams only, and delete or edit none', () => {
  const { publish, subscribe } = podPermissions(layout, false);
  assert.deepEqual(subscribe, ['mail.inbox.>', 'mail.ask', 'mail.answer.>', 'mail.shape.>']);
  for (const subject of publish) {
    assert.match(
      subject,
      /^(mail\.|\$KV\.mail-|\$JS\.FC\.KV_mail-|\$JS\.API\.INFO$|\$JS\.API\.(CONSUMER\.\*|[A-Z.]+)\.(KV_)?mail-)/,
    );
    // Whoever lost the bucket of sessions lost no mail: any pod makes it again.
    if (subject === '$JS.API.STREAM.CREATE.KV_mail-sessions') continue;
    assert.doesNotMatch(subject, /STREAM\.(CREATE|UPDATE|DELETE)|MSG\.DELETE/);
  }
});
