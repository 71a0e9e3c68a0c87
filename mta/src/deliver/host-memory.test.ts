import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLAW_MEMORY_MS, HostMemory, MAX_REMEMBERED_FLAWS } from './host-memory.ts';

const HOST = 'mx.example[192.0.2.1]:25';

test('a host whose administrator mended it gets TLS again, after an hour', () => {
  let nowMs = 0;
  const memory = new HostMemory(() => nowMs);
  memory.remember('Tls', HOST);
  nowMs = FLAW_MEMORY_MS - 1;
  assert.equal(memory.knows('Tls', HOST), true);
  nowMs = FLAW_MEMORY_MS;
  assert.equal(memory.knows('Tls', HOST), false, 'being asked does not make it last longer');
});

test('one flaw of one host is held against nobody else and nothing else', () => {
  const memory = new HostMemory(() => 0);
  memory.remember('Tls', HOST);
  assert.equal(memory.knows('Chunking', HOST), false);
  assert.equal(memory.knows('Tls', 'mx.example[192.0.2.2]:25'), false);
});

test('a million broken hosts do not fill the memory, and one that is spoken to all the time is not forgotten', () => {
  const memory = new HostMemory(() => 0);
  memory.remember('Tls', HOST);
  for (let index = 0; index < 3 * MAX_REMEMBERED_FLAWS; index++) {
    memory.remember('Tls', `mx${index}.example`);
    if (index % 1_000 === 0) assert.equal(memory.knows('Tls', HOST), true);
  }
  assert.equal(memory.knows('Tls', 'mx0.example'), false);
  assert.equal(memory.knows('Tls', `mx${3 * MAX_REMEMBERED_FLAWS - 1}.example`), true);
});
