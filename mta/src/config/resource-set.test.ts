import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY_SET, nextResourceSet, type ResourceSet } from './resource-set.ts';

const pool = (name: string, address = '192.0.2.1') => `apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: ${name}}
spec:
  sources: [{name: ip-1, address: ${address}, ehlo: out.example}]
`;
const policy = (name: string, body: string) => `apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: ${name}}
spec: ${body}
`;
const files = (contents: Readonly<Record<string, string>>) => new Map(Object.entries(contents));

function addresses(set: ResourceSet): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(set.compiled.config.pools.map((each) => [each.name, each.sources[0]?.address]));
}

test('right files are in force, without problems', () => {
  const set = nextResourceSet(EMPTY_SET, files({ 'a.yaml': `${pool('a')}---\n${pool('b', '192.0.2.2')}` }));
  assert.deepEqual(addresses(set), { a: '192.0.2.1', b: '192.0.2.2' });
  assert.deepEqual([set.problems, set.refused, set.warnings], [[], [], []]);
});

test('a broken resource keeps its last good form while its neighbours move on', () => {
  const first = nextResourceSet(EMPTY_SET, files({ 'a.yaml': pool('a'), 'b.yaml': pool('b') }));
  const broken = pool('a', '192.0.2.9').replace('ehlo:', 'helo:');
  const second = nextResourceSet(first, files({ 'a.yaml': broken, 'b.yaml': pool('b', '192.0.2.2') }));
  assert.deepEqual(addresses(second), { a: '192.0.2.1', b: '192.0.2.2' });
  assert.deepEqual(second.refused, ['EgressPool/a']);
  assert.deepEqual(
    new Set(second.problems.map(({ file, line }) => `${file}:${line}`)),
    new Set(['a.yaml:5']),
  );
  const mended = nextResourceSet(second, files({ 'a.yaml': pool('a', '192.0.2.9'), 'b.yaml': pool('b') }));
  assert.equal(addresses(mended).a, '192.0.2.9');
  assert.deepEqual(mended.problems, []);
});

test('a file that is no YAML at all keeps everything it held, also through further changes', () => {
  const first = nextResourceSet(
    EMPTY_SET,
    files({ 'a.yaml': `${pool('a')}---\n${pool('b')}`, 'c.yaml': pool('c') }),
  );
  const torn = { 'a.yaml': `${pool('a')}---\nkind: [EgressPool` };
  const second = nextResourceSet(first, files({ ...torn, 'c.yaml': pool('c') }));
  assert.deepEqual(Object.keys(addresses(second)), ['a', 'b', 'c']);
  assert.equal(second.problems[0]?.code, 'SLUICE_YAML_SYNTAX');
  assert.deepEqual(second.refused, ['EgressPool/b']);
  const third = nextResourceSet(second, files({ ...torn, 'c.yaml': pool('c', '192.0.2.3') }));
  assert.deepEqual(Object.keys(addresses(third)), ['a', 'b', 'c']);
  assert.equal(addresses(third).c, '192.0.2.3');
});

test('what is removed is gone, even while another file is broken', () => {
  const first = nextResourceSet(EMPTY_SET, files({ 'a.yaml': pool('a'), 'c.yaml': pool('c') }));
  const second = nextResourceSet(first, files({ 'a.yaml': 'kind: [' }));
  assert.deepEqual(Object.keys(addresses(second)), ['a']);
  const third = nextResourceSet(second, files({}));
  assert.deepEqual(addresses(third), {});
  assert.deepEqual(third.problems, []);
});

test('a broken file at the first start leaves out what is broken and says so', () => {
  const set = nextResourceSet(
    EMPTY_SET,
    files({ 'a.yaml': pool('a'), 'b.yaml': policy('p', '{default: {limts: []}}') }),
  );
  assert.deepEqual(Object.keys(addresses(set)), ['a']);
  assert.match(set.problems[0]?.what ?? '', /Unknown field "limts"/);
  assert.deepEqual(set.refused, ['ShapingPolicy/p']);
});

test('two resources of one name are a problem that shows both places', () => {
  const set = nextResourceSet(EMPTY_SET, files({ 'a.yaml': pool('a'), 'b.yaml': pool('a', '192.0.2.2') }));
  assert.equal(set.problems.length, 1);
  assert.match(set.problems[0]?.what ?? '', /EgressPool\/a .*a\.yaml:1, b\.yaml:1/);
});

test('a policy for a pool that is not there is in force with a warning', () => {
  const target =
    '{targetRefs: [{group: sluice.email, kind: EgressPool, name: gone}], default: {retry: {delays: [1m]}}}';
  const set = nextResourceSet(EMPTY_SET, files({ 'a.yaml': policy('p', target) }));
  assert.deepEqual(set.problems, []);
  assert.equal(set.warnings[0]?.code, 'SLUICE_REFERENCE_UNRESOLVED');
  assert.match(set.warnings[0]?.what ?? '', /ShapingPolicy\/p.*gone/);
  assert.equal(set.warnings[0]?.file, 'a.yaml');
});

test('the library lies below the files: it is told apart, gives way to a resource of the same name, and is no warning', () => {
  const library = files({ 'lib/google.yaml': policy('provider-google', '{priority: -1000}') });
  const shipped = nextResourceSet(EMPTY_SET, files({ 'p.yaml': pool('a') }), library);
  assert.deepEqual(shipped.problems, []);
  assert.deepEqual(
    shipped.compiled.config.policies.map(({ name }) => name),
    ['provider-google'],
  );
  const own = nextResourceSet(
    shipped,
    files({ 'p.yaml': policy('provider-google', '{priority: 7}') }),
    library,
  );
  assert.deepEqual(own.problems, []);
  assert.deepEqual(
    own.compiled.config.policies.map(({ name, priority }) => [name, priority]),
    [['provider-google', 7]],
  );
  const broken = nextResourceSet(
    shipped,
    files({ 'p.yaml': policy('provider-google', '{priority: x}') }),
    library,
  );
  assert.equal(broken.problems.length, 1, 'a broken one of the same name is told, not hidden by the library');
});

test('files that did not change are not read again: a change of one of many is in force at once', () => {
  const first = nextResourceSet(EMPTY_SET, files({ 'a.yaml': pool('a'), 'b.yaml': pool('b', '192.0.2.2') }));
  const second = nextResourceSet(first, files({ 'a.yaml': pool('a'), 'b.yaml': pool('b', '192.0.2.3') }));
  assert.equal(second.parsed.get('a.yaml'), first.parsed.get('a.yaml'));
  assert.notEqual(second.parsed.get('b.yaml'), first.parsed.get('b.yaml'));
});

test('resources of other programs among the files are named and change nothing', () => {
  const text = `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n---\n${pool('a')}`;
  const set = nextResourceSet(EMPTY_SET, files({ 'a.yaml': text }));
  assert.deepEqual(set.problems, []);
  assert.deepEqual(
    set.foreign.map(({ code, line, what }) => [code, line, what]),
    [['SLUICE_RESOURCE_FOREIGN', 1, 'Deployment/d (apps/v1) is not a resource of Sluice and is left out.']],
  );
});
