import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { CONDITION_REASONS, CONDITION_TYPES } from './condition-reasons.ts';
import { ERRORS } from './errors.ts';
import { compile, parseResources } from './mod.ts';

const TESTDATA = new URL('../testdata/', import.meta.url);

const condition = z.object({ type: z.string(), status: z.string(), reason: z.string() });
const output = z.object({ statuses: z.array(z.object({ conditions: z.array(condition) })) });

/** The one reason that no text leads to: it takes what was in force before and a file that cannot be read. */
function missing() {
  const [text] = readdirSync(TESTDATA).filter((file) => file.endsWith('.in.yaml'));
  assert.ok(text !== undefined);
  const { resources } = parseResources(readFileSync(new URL(text, TESTDATA), 'utf8'), text);
  const { lastGood } = compile({ resources });
  assert.ok(lastGood.size > 0);
  const { statuses } = compile({ resources: [], lastGood, keepMissing: true });
  return statuses.flatMap(({ conditions }) => conditions);
}

const golden = readdirSync(TESTDATA)
  .filter((file) => file.endsWith('.out.yaml'))
  .map((file) => output.parse(parse(readFileSync(new URL(file, TESTDATA), 'utf8'))))
  .flatMap(({ statuses }) => statuses.flatMap(({ conditions }) => conditions));

test('who looks a reason up finds it under the type and the status that the compiler gives it', () => {
  const told = Object.entries(CONDITION_REASONS).map(([reason, { type, status }]) =>
    [type, status, reason].join(' '),
  );
  const given = new Set(
    [...golden, ...missing()].map(({ type, status, reason }) => [type, status, reason].join(' ')),
  );
  assert.deepEqual([...given].sort(), told.sort());
});

test('the errors that a type is told as are on the page of errors', () => {
  for (const { told } of Object.values(CONDITION_TYPES)) {
    for (const [code] of told.matchAll(/SLUICE_[A-Z_]+/g)) assert.ok(Object.hasOwn(ERRORS, code), code);
  }
});
