import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceError } from '@sluice/crds';
import { givenResources, withGiven } from './given-resources.ts';
import { providerLibrary } from './provider-library.ts';

const POLICY =
  'apiVersion: sluice.email/v1alpha1\nkind: ShapingPolicy\nmetadata: {name: NAME}\nspec: {priority: 5}\n';

test('resources of an installation are read from its files, those that a mount keeps for itself are not', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-given-'));
  t.after(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, '..data'));
  writeFileSync(join(directory, 'b.yaml'), POLICY.replace('NAME', 'b'));
  writeFileSync(join(directory, 'a.yml'), POLICY.replace('NAME', 'a'));
  writeFileSync(join(directory, 'README.md'), 'no YAML: {');
  assert.deepEqual(
    givenResources(directory).map(({ name }) => name),
    ['a', 'b'],
  );
});

test('a mistake in one of them stops the operator and names the line: it would run without a limit that somebody counts on', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-given-'));
  t.after(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'a.yaml'), POLICY.replace('NAME', 'a').replace('priority', 'prioritty'));
  assert.throws(
    () => givenResources(directory),
    (error) =>
      error instanceof SluiceError &&
      error.code === 'SLUICE_GIVEN_RESOURCES' &&
      /prioritty/.test(error.message) &&
      error.place.line === 4,
  );
  assert.throws(() => givenResources(join(directory, 'none')), SluiceError);
});

test('a policy that is given takes the place of the one of the provider library with its name', () => {
  const library = providerLibrary();
  const [first] = library;
  assert.ok(first !== undefined);
  const both = withGiven(library, [first]);
  assert.equal(both.length, library.length);
  assert.equal(both.at(-1), first);
});
