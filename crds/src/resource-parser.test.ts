import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { parseResources } from './mod.ts';
import { RESOURCE_KINDS } from './resource.ts';

const RIGHT = `apiVersion: sluice.email/v1alpha1
kind: EgressPool
metadata: {name: main, labels: {team: mail}}
spec:
  match: [{name: all, tenantSelector: {matchLabels: {plan: free}}}]
  sources: &sources
  - {name: ip-1, address: 192.0.2.10, ehlo: out.example, weight: 10, labels: {age: warm}}
---
apiVersion: sluice.email/v1alpha1
kind: ShapingPolicy
metadata: {name: main}
spec:
  default: {limits: [{name: site, per: [Source, Site], connections: 10, recipientRate: 100/s}]}
  destinations: [{name: google, match: {mxSuffixes: [google.com]}}]
`;

function assertWellFormed(text: string): void {
  const { resources, problems } = parseResources(text, 'f.yaml');
  for (const { file, line, column, what, cure } of problems) {
    assert.equal(file, 'f.yaml');
    assert.ok(line !== undefined && line >= 1 && column !== undefined && column >= 1);
    assert.ok(what !== '' && cure !== '');
    assert.doesNotMatch(`${what}${cure}`, /undefined|\[object|\{(name|field|expected|given|cure)\}/);
  }
  for (const { resource } of resources) assert.ok(resource.metadata.name !== '');
}

test('no text whatever makes the parser throw: a pod that reads a broken file stays up', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), assertWellFormed), { numRuns: 300 });
  const yamlish = fc.constantFrom(
    ...'&a *a !t ? : - [ ] { } | > " \' # , % @ ` --- ... %YAML <<'.split(' '),
    '\n',
    ' ',
    '  ',
    '\t',
    'a',
    'kind: EgressPool\n',
    '\u0000',
  );
  fc.assert(
    fc.property(
      fc.array(yamlish, { maxLength: 30 }).map((parts) => parts.join('')),
      assertWellFormed,
    ),
    { numRuns: 400 },
  );
});

test('a right file with one bite out of it, or one too many, is read or refused, never more', () => {
  fc.assert(
    fc.property(fc.nat(RIGHT.length), fc.nat(40), fc.string({ maxLength: 6 }), (at, cut, put) => {
      assertWellFormed(RIGHT.slice(0, at) + put + RIGHT.slice(at + cut));
    }),
    { numRuns: 400 },
  );
});

test('any value in any field is read or refused with a place', () => {
  const path = fc.constantFrom(
    ['spec'],
    ['metadata'],
    ['metadata', 'name'],
    ['metadata', 'labels'],
    ['spec', 'sources'],
    ['spec', 'match'],
    ['spec', 'egress'],
    ['spec', 'selection'],
    ['spec', 'default'],
    ['spec', 'destinations'],
    ['spec', 'targetRefs'],
  );
  fc.assert(
    fc.property(fc.constantFrom(...RESOURCE_KINDS), path, fc.jsonValue(), (kind, at, value) => {
      const [root = '', member] = at;
      const base = { apiVersion: 'sluice.email/v1alpha1', kind, metadata: { name: 'main' }, spec: {} };
      const part = member === undefined ? value : { name: 'main', [member]: value };
      assertWellFormed(stringify({ ...base, [root]: part }));
    }),
    { numRuns: 400 },
  );
});

test('a bomb of aliases is refused in no time and little memory', () => {
  const level = (n: number) =>
    `a${n}: &a${n} [${Array.from({ length: 9 }, () => `*a${n - 1}`).join(', ')}]\n`;
  const bomb = `a0: &a0 [x, x, x]\n${Array.from({ length: 9 }, (_, n) => level(n + 1)).join('')}`;
  const { problems } = parseResources(bomb, 'f.yaml');
  assert.equal(problems[0]?.code, 'SLUICE_YAML_TOO_COMPLEX');
});

test('an alias of its own parent, and ten thousand brackets, do not end the process', () => {
  assertWellFormed('a: &a [*a]\n');
  assertWellFormed(RIGHT.replace('spec:\n', 'spec: &s\n  loop: *s\n'));
  assert.equal(parseResources('['.repeat(10_000), 'f.yaml').resources.length, 0);
  assert.equal(parseResources(`${'['.repeat(10_000)}${']'.repeat(10_000)}`, 'f.yaml').resources.length, 0);
  assert.equal(
    parseResources(`a: ${'{b: '.repeat(3_000)}1${'}'.repeat(3_000)}`, 'f.yaml').resources.length,
    0,
  );
});

/** Texts that are small and would keep a naive reader busy for minutes, out of stack, or in doubt; and the first thing told. */
const HOSTILE: readonly (readonly [string, string, RegExp])[] = [
  ['lists in lists, in one line', `${'['.repeat(900)}x${']'.repeat(900)}`, /nested too deeply/],
  ['lists in lists, beyond the stack', `${'['.repeat(20_000)}`, /nested too deeply/],
  ['lists in lists, as a block', `spec:\n ${'- '.repeat(2_000)}x`, /nested too deeply/],
  [
    'maps in maps, as a block',
    Array.from({ length: 300 }, (_, n) => `${' '.repeat(n)}a:`).join('\n'),
    /nested too deeply/,
  ],
  ['keys in keys', `${'? '.repeat(500)}x`, /key is more than one text/],
  ['a list as a key', '[a]: 1', /key is more than one text/],
  [
    'anchors in a chain',
    Array.from({ length: 2_000 }, (_, n) => (n === 0 ? 'a0: &a0 x' : `a${n}: &a${n} [*a${n - 1}]`)).join(
      '\n',
    ),
    /too many anchors/,
  ],
  ['aliases without an anchor', `a: [${'*b, '.repeat(2_000)}]`, /Unresolved alias/],
  ['one alias for ever', `a: &a x\nb: [${'*a, '.repeat(5_001)}]`, /more than 5000 aliases/],
  ['a key twice', 'kind: a\nkind: a', /keys must be unique/],
  [
    'twenty thousand keys',
    Array.from({ length: 20_000 }, (_, n) => `k${n}: 1`).join('\n'),
    /kind is missing/,
  ],
  ['a number without end', `kind: ${'9'.repeat(100_000)}`, /kind must be/],
  ['a NUL', 'kind: a\u0000b', /kind must be/],
  ['half a character', 'kind: "\ud800"', /kind must be/],
  ['tabs', 'spec:\n\t\tsources: []', /Tabs/],
  ['the names of what objects have', 'kind: __proto__\n__proto__: {kind: EgressPool}', /kind must be/],
  ['quotes that never end', `kind: ${'"'.repeat(10_001)}`, /not valid YAML/],
];

for (const [title, text, told] of HOSTILE)
  test(`${title}: told in a second, whoever may write into the directory`, () => {
    const begun = process.cpuUsage();
    for (const file of [text, `${RIGHT}---\n${text}`, text.replaceAll('\n', '\r\n'), `\uFEFF${text}`]) {
      const { problems } = parseResources(file, 'f.yaml');
      assert.match(problems.map(({ what }) => what).join('\n'), told);
      assert.ok(problems.length <= 250);
    }
    // Of four readings; the machine may be busy with something else.
    assert.ok(process.cpuUsage(begun).user < 8_000_000);
  });

test('a resource with thousands of mistakes is told the first ones, at once', () => {
  const members = Array.from({ length: 20_000 }, (_, n) => `  k${n}: 1\n`).join('');
  const begun = process.cpuUsage();
  assert.equal(parseResources(RIGHT.replace('spec:\n', `spec:\n${members}`), 'f.yaml').problems.length, 200);
  assert.ok(process.cpuUsage(begun).user < 4_000_000);
});

test('labels that 500 sources take from one anchor are no attack', () => {
  const more = Array.from(
    { length: 500 },
    (_, n) => `  - {name: a${n}, address: 192.0.2.10, ehlo: a.example, labels: *warm}\n`,
  );
  const text = RIGHT.replace('labels: {age: warm}}', 'labels: &warm {age: warm}}').replace(
    '---\n',
    `${more.join('')}---\n`,
  );
  assert.deepEqual(parseResources(text, 'f.yaml').problems, []);
});

test('an alias is where it is used: its mistake is shown at the anchor', () => {
  const text = RIGHT.replace('&sources', '&sources').replace('weight: 10', 'weight: 0');
  const [problem] = parseResources(text, 'f.yaml').problems;
  assert.equal(problem?.field, 'spec.sources[0].weight');
  assert.equal(problem?.line, 7);
});

test('Windows line ends and a byte order mark change no line number', () => {
  const text = `\uFEFF${RIGHT.replace('weight: 10', 'wieght: 10').replaceAll('\n', '\r\n')}`;
  const [problem] = parseResources(text, 'f.yaml').problems;
  assert.equal(problem?.line, 7);
  assert.equal(problem?.field, 'spec.sources[0].wieght');
});

test('JSON is YAML: what kubectl prints with -o json is read', () => {
  const text =
    '{"apiVersion":"sluice.email/v1alpha1","kind":"ShapingPolicy","metadata":{"name":"a"},"spec":{}}';
  assert.equal(parseResources(text, 'f.json').resources.length, 1);
});
