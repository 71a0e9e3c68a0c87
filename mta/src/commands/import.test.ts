import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filesIn, sluice } from './command-run.fixture.ts';

const root = filesIn({
  'shaping.toml': '["a.example"]\nconnection_limit = 3\nmax_ready = 5\n',
  'more.toml': '["a.example"]\nconnection_limit = 4\n',
  'broken.toml': '["a.example"\n',
  'pmta.conf': '<domain a.example>\nmax-smtp-out 3\nno-such 1\n</domain>\n',
});

test('resources go to standard output alone, so that they can be written to a file; what is lost goes to standard error', async () => {
  const { exitCode, out, err } = await sluice(
    ['import', 'kumo', `${root}shaping.toml`, `${root}more.toml`],
    root,
  );
  assert.equal(exitCode, 0);
  assert.match(
    out,
    /^# Translated by sluice import\.\n\napiVersion: sluice\.email\/v1alpha1\nkind: ShapingPolicy\n/,
  );
  assert.match(out, /connections: 4\n/);
  assert.match(err, /^Not translated.*\nshaping\.toml:3: a\.example\.max_ready: .+\n$/);
});

test('a PowerMTA configuration is translated from the command line, for programs too', async () => {
  const { exitCode, out, err } = await sluice(['import', 'powermta', `${root}pmta.conf`, '--json'], root);
  assert.equal(exitCode, 0);
  assert.equal(err, '');
  const { documents, notTranslated } = JSON.parse(out);
  assert.match(documents[0], /connections: 3\n/);
  assert.deepEqual(
    notTranslated.map(({ line, directive }: { line: number; directive: string }) => [line, directive]),
    [[3, 'no-such']],
  );
});

test('a script notices a file that cannot be read or parsed', async () => {
  const broken = await sluice(['import', 'kumo', `${root}broken.toml`], root);
  assert.equal(broken.exitCode, 1);
  assert.match(broken.err, /broken\.toml:1: Nothing of this file is translated/);
  const missing = await sluice(['import', 'kumo', `${root}missing.toml`], root);
  assert.equal(missing.exitCode, 1);
  assert.match(missing.err, /Cannot read missing\.toml/);
});
