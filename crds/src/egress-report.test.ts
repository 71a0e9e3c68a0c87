import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOTHING_TO_REPORT, parseEgressReport } from './egress-report.ts';

const entry = {
  source: 'ip-1',
  address: '192.0.2.1',
  way: 'Bind 192.0.2.1',
  since: '2026-11-24T12:00:00Z',
  reason: 'no such address',
};
const read = (more: object) =>
  parseEgressReport(
    Buffer.from(JSON.stringify({ ...NOTHING_TO_REPORT, unreachable: [{ ...entry, ...more }] })),
  );

test('what would make the API server refuse a status is no report: the status of that resource would never be written again', () => {
  assert.deepEqual(read({})?.unreachable, [entry]);
  assert.equal(read({ since: 'yesterday' }), undefined);
  assert.equal(read({ reason: 'x'.repeat(1_000) }), undefined);
  assert.equal(parseEgressReport(Buffer.from('{')), undefined);
});
