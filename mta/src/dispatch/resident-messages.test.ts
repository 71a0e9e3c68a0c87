import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Envelope } from '../spool/mod.ts';
import { MemorySpool } from './memory-spool.fixture.ts';
import { PartialGroups } from './partial-groups.ts';
import { ResidentMessages } from './resident-messages.ts';

const envelopeOf = (id: string, recipients: readonly string[] = ['x@a.example']): Envelope => ({
  id,
  sender: '',
  recipients,
  tenant: '',
  campaign: '',
  class: '',
  acceptedAtMs: 0,
  notBeforeMs: 0,
  expireAtMs: 0,
  sizeBytes: 1_000,
  eightBit: false,
  smtputf8: false,
  origin: '',
});
const BODY = [Buffer.alloc(1_000)];

async function added(spool: MemorySpool, resident: ResidentMessages, id: string): Promise<number> {
  const reference = await spool.append(envelopeOf(id), BODY);
  assert.ok('sequence' in reference);
  resident.add(reference, envelopeOf(id), BODY);
  return reference.sequence;
}

test('a backlog does not fill the memory: the oldest message leaves it and is read from the store when its turn comes', async () => {
  const spool = new MemorySpool();
  const resident = new ResidentMessages(spool, 4_000);
  const sequences: number[] = [];
  for (const id of ['a', 'b', 'c', 'd']) sequences.push(await added(spool, resident, id));
  assert.ok(resident.bytes <= 4_000);
  assert.equal(resident.peek(sequences[0] ?? 0), undefined);
  assert.ok(resident.peek(sequences[3] ?? 0) !== undefined);
  assert.equal((await resident.load(sequences[0] ?? 0))?.envelope.id, 'a');
  assert.ok(resident.bytes <= 4_000);
});

test('a message leaves memory with its last group, and memory that is counted is given back', async () => {
  const resident = new ResidentMessages(new MemorySpool(), 10_000);
  resident.add({ sequence: 1, id: 'a' }, envelopeOf('a', ['x@a.example', 'y@b.example']), BODY);
  resident.groupDone(1);
  assert.ok(resident.peek(1) !== undefined);
  resident.groupDone(1);
  assert.equal(resident.size, 0);
  assert.equal(resident.bytes, 0);
});

test('a message larger than the whole memory is delivered all the same', async () => {
  const spool = new MemorySpool();
  const resident = new ResidentMessages(spool, 100);
  const sequence = await added(spool, resident, 'a');
  assert.equal(resident.size, 0);
  assert.equal((await resident.load(sequence))?.body, BODY);
  assert.equal(await resident.load(99), undefined);
});

test('a backlog that left memory is read together, once each, and what is read ahead does not fill the memory', async () => {
  const spool = new MemorySpool();
  const sequences: number[] = [];
  for (const id of ['a', 'b', 'c', 'd']) {
    const reference = await spool.append(envelopeOf(id), BODY);
    assert.ok('sequence' in reference);
    sequences.push(reference.sequence);
  }
  let reads = 0;
  const read = spool.read.bind(spool);
  spool.read = (reference) => {
    reads++;
    return read(reference);
  };
  const resident = new ResidentMessages(spool, 10_000);
  const [first = 0, second = 0, third = 0, fourth = 0] = sequences;
  const loading = resident.load(first);
  assert.equal(resident.readAhead(second, 1_000), true);
  assert.equal(resident.readAhead(third, 1_000), true);
  assert.equal(resident.readAhead(fourth, 1_000), false, 'a quarter of the memory, no more');
  const asked = resident.load(second);
  assert.equal((await loading)?.envelope.id, 'a');
  assert.equal((await asked)?.envelope.id, 'b');
  assert.equal(reads, 3, 'one that is under way is not read again');
  assert.equal(resident.peek(third)?.envelope.id, 'c');
  assert.equal(resident.readAhead(fourth, 1_000), true, 'there is room again when they were asked for');
});

test('a store that fails while it is read ahead fails nobody before his turn', async () => {
  const spool = new MemorySpool();
  const sequence = await added(spool, new ResidentMessages(spool, 1), 'a');
  const resident = new ResidentMessages(spool, 10_000);
  spool.failure = new Error('disk');
  assert.equal(resident.readAhead(sequence, 1_000), true);
  await assert.rejects(resident.load(sequence), /disk/);
  spool.failure = undefined;
  assert.equal((await resident.load(sequence))?.envelope.id, 'a');
});

test('progress of a group is remembered for each group of a message and forgotten with the last one', () => {
  const partial = new PartialGroups();
  assert.equal(partial.untried(1, 0), undefined);
  partial.set(1, 0, { untried: [2], deferred: [1] });
  partial.set(1, 1, { untried: [3], deferred: [] });
  assert.deepEqual(partial.untried(1, 0), [2]);
  partial.delete(1, 0);
  assert.equal(partial.get(1, 0), undefined);
  assert.deepEqual(partial.get(1, 1), { untried: [3], deferred: [] });
});
