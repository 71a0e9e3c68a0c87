import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { kumoShaping } from './kumo-shaping.ts';
import { policyIn } from './translated.fixture.ts';

const input = (name: string) => ({
  name,
  text: readFileSync(new URL(`testdata/${name}`, import.meta.url), 'utf8'),
});

const one = (text: string) => kumoShaping([{ name: 'a.toml', text }]);
const reasons = (text: string) =>
  one(text).notTranslated.map(({ line, directive }) => `${line} ${directive}`);

test('a sample with every option and block becomes a policy that is in force as it stands', () => {
  const translation = kumoShaping([input('shaping.toml'), input('community.toml')]);
  const { spec } = policyIn(translation);
  assert.deepEqual(spec.default?.limits?.[0], {
    name: 'source-site',
    per: ['Source', 'Site'],
    connections: 10,
    connectionRate: '100/min',
    recipientRate: '100/s',
    overrides: [{ name: 'ip-9', when: { sources: ['ip-9'] }, connections: 2 }],
  });
  assert.deepEqual(spec.default?.reactions?.[0]?.actions, [
    {
      type: 'SetLimit',
      setLimit: { limitName: 'source-site', recipientRate: '1/min', connections: 1, for: '1h30m' },
    },
  ]);
  assert.deepEqual(spec.default?.session?.timeouts?.finalDot, '1m');
  const named = (name: string) => spec.destinations?.find((destination) => destination.name === name);
  assert.equal(named('big-example')?.session?.messagesPerConnection, 500, 'the second file refines');
  assert.equal(named('big-example')?.session?.tls?.level, 'Verify');
  assert.deepEqual(named('big-example')?.reactions?.[0]?.match, {
    codes: [421],
    enhancedCodes: ['4.7.28'],
    text: 'unusual rate',
  });
  assert.deepEqual(named('google')?.limits?.[0], {
    name: 'source-group',
    per: ['Source', 'Group'],
    connections: 5,
    recipientRate: '30/s',
    overrides: [{ name: 'ip-1', when: { sources: ['ip-1'] }, connections: 2 }],
  });
  assert.equal(named('google')?.reactions?.length, 2, 'rules of both files');
  assert.deepEqual(named('barracuda')?.match, { mxSuffixes: ['barracuda.example'] });
  assert.deepEqual(named('by-domain')?.match, { domainSuffixes: ['school.example'] });
});

test('whoever migrates learns of everything that is lost: each directive is in the result or in the list', () => {
  const { notTranslated } = kumoShaping([input('shaping.toml'), input('community.toml')]);
  const lost = notTranslated.map(({ file, line, directive }) => `${file}:${line} ${directive}`);
  for (const expected of [
    'shaping.toml:4 default.max_connection_rate',
    'shaping.toml:8 default.max_ready',
    'shaping.toml:33 default.a_new_option',
    'shaping.toml:47 big.example.mx_rollup',
    'shaping.toml:48 big.example.connection_limit',
    'shaping.toml:57 big.example.sources.IP 1.idle_timeout',
    'shaping.toml:66 big.example.automation.1.regex',
    'shaping.toml:80 small.example.replace_base',
    'shaping.toml:83 not a domain',
    'shaping.toml:103 provider.barracuda.match.0',
    'shaping.toml:112 provider.gmail',
    'shaping.toml:116 provider.google-again.match.0',
  ])
    assert.ok(lost.includes(expected), `${expected} is not in\n${lost.join('\n')}`);
  assert.equal(lost.length, 30, lost.join('\n'));
});

test('each destination says which line it comes from', () => {
  const [yaml] = one(
    '["a.example"]\nconnection_limit = 3\n\n["b.example"]\nconnection_limit = 4\n',
  ).documents;
  assert.match(yaml ?? '', /# a\.toml:1\n.*\n? +- name: a-example/);
  assert.match(yaml ?? '', /# a\.toml:4\n.*\n? +- name: b-example/);
});

test('values that nobody can read are told, not guessed', () => {
  const text =
    '["a.example"]\nconnection_limit = "many"\nmax_message_rate = "5/fortnight"\nidle_timeout = "soon"\n';
  assert.deepEqual(reasons(`${text}enable_tls = "Maybe"\n`), [
    '2 a.example.connection_limit',
    '3 a.example.max_message_rate',
    '4 a.example.idle_timeout',
    '5 a.example.enable_tls',
  ]);
  assert.deepEqual(reasons('default = 3\n"a.example" = "x"\n'), ['1 default', '2 a.example']);
});

test('a value past what Sluice allows goes alone and is told, the rest of its block stays', () => {
  const text = '["a.example"]\nmax_deliveries_per_connection = 2000000\nconnection_limit = 3\n';
  const translation = one(text);
  const [destination] = policyIn(translation).spec.destinations ?? [];
  assert.equal(destination?.limits?.[0]?.connections, 3);
  assert.deepEqual(reasons(text), ['1 spec.destinations[0].session.messagesPerConnection']);
});

test('of more rules than a layer can have those that fit stay, and each other one is told', () => {
  const rule = '[[default.automation]]\nregex = "busy"\naction = "Suspend"\nduration = "1h"\n';
  const translation = one(rule.repeat(70));
  const kept = policyIn(translation).spec.default?.reactions?.length ?? 0;
  assert.ok(kept > 1 && kept < 70, `${kept} are kept`);
  assert.deepEqual(
    translation.notTranslated.map(({ directive }) => directive),
    Array.from({ length: 70 - kept }, (_, index) => `spec.default.reactions[${69 - index}]`),
  );
});

test('a rule that changes a limit works without anybody having set it: it gets the bound that KumoMTA has', () => {
  const action = '{ SetConfig = { name = "connection_limit", value = 1 } }';
  const text = `[["a.example".automation]]\nregex = "busy"\naction = ${action}\nduration = "1h"\n`;
  assert.equal(policyIn(one(text)).spec.default?.limits?.[0]?.connections, 32);
});

test('a file with a syntax error is told with its line, and the others are translated', () => {
  const files = [
    { name: 'bad.toml', text: '["a.example"]\nconnection_limit = \n' },
    { name: 'good.json', text: '{"b.example": {"connection_limit": 2}}' },
  ];
  const translation = kumoShaping(files);
  assert.deepEqual(
    translation.notTranslated.map(({ file, line, directive }) => [file, line, directive]),
    [['bad.toml', 2, '']],
  );
  assert.equal(policyIn(translation).spec.destinations?.[0]?.limits?.[0]?.connections, 2);
});

test('more destinations than one policy can have become two policies', () => {
  const text = Array.from({ length: 300 }, (_, n) => `["d${n}.example"]\nconnection_limit = 3\n`).join('');
  assert.equal(one(text).documents.length, 2);
  policyIn(one(text));
});

const SAMPLE = input('shaping.toml').text.split('\n');

test('no file makes the translator throw, and what it writes is always accepted', () => {
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('5/m', 'local:3', '9 days', 'Required', -1, 1e20),
  );
  const option = fc.constantFrom(
    'connection_limit',
    'max_message_rate',
    'idle_timeout',
    'enable_tls',
    'match',
    'sources',
    'automation',
    'additional_connection_limits',
    '__proto__',
  );
  const block = fc.dictionary(fc.oneof(option, fc.string()), value);
  const whole = fc.record({
    default: block,
    'a.example': block,
    provider: fc.dictionary(fc.string(), fc.oneof(block, value)),
  });
  fc.assert(
    fc.property(fc.oneof(whole, fc.jsonValue()), (content) => {
      policyIn(kumoShaping([{ name: 'a.json', text: JSON.stringify(content) }]));
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.shuffledSubarray(SAMPLE), (lines) => {
      policyIn(one(lines.join('\n')));
    }),
    { numRuns: 100 },
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => void policyIn(one(text))),
    { numRuns: 200 },
  );
});
