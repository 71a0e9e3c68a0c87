import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { DEFAULT_RETRY, DEFAULT_SESSION } from './defaults.ts';
import type { EffectivePolicy } from './effective-policy.ts';
import { compile, effectivePolicy, formatProblem, parseEgressConfig, parseResources } from './mod.ts';

/**
 * Pairs in `testdata`: `<case>.in.yaml` → `<case>.out.yaml`; `<case>.before.yaml`, if there, was in force before. A line
 * `# probe: pool domain [host,host]` of the input asks for the policy in force. `UPDATE_GOLDEN=1` writes the outputs anew: read the diff.
 */
const TESTDATA = new URL('../testdata/', import.meta.url);
const CASES = readdirSync(TESTDATA)
  .filter((file) => file.endsWith('.in.yaml'))
  .map((file) => file.slice(0, -'.in.yaml'.length));

for (const name of CASES) {
  test(`${name}: the same resources come to the same configuration and the same words in every version`, () => {
    const actual = outputOf(name);
    const output = new URL(`${name}.out.yaml`, TESTDATA);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(output, actual);
    assert.equal(actual, readFileSync(output, 'utf8'));
  });
}

test('every golden case is run: there are as many as the issue asks for, and no output without an input', () => {
  assert.ok(CASES.length >= 60, `${CASES.length}`);
  const outputs = readdirSync(TESTDATA).filter((file) => file.endsWith('.out.yaml'));
  assert.deepEqual(
    outputs.map((file) => file.slice(0, -'.out.yaml'.length)),
    CASES,
  );
});

function outputOf(name: string): string {
  const file = `${name}.in.yaml`;
  const text = readFileSync(new URL(file, TESTDATA), 'utf8');
  const { resources, rejected, problems, complete } = parseResources(text, file);
  const compiled = compile({
    resources: [...resources, ...rejected],
    keepMissing: !complete,
    ...(existing(`${name}.before.yaml`) ?? {}),
  });
  const loaded = parseEgressConfig(JSON.stringify(compiled.config));
  assert.ok('config' in loaded, 'the real loader takes it');
  assert.deepEqual(loaded.config, compiled.config);
  const probes = [...text.matchAll(/^# probe: (\S+) (\S+)(?: (\S+))?$/gm)];
  const effective = probes.map(([, pool = '', domain = '', hosts]) => ({
    probe: { pool, domain, hosts: hosts?.split(',') ?? [] },
    ...summary(effectivePolicy(loaded.config, pool, domain, hosts?.split(',') ?? [])),
  }));
  return stringify(
    {
      problems: problems.map(formatProblem),
      statuses: compiled.statuses.map(({ kind, name: resource, conditions }) => ({
        kind,
        name: resource,
        conditions,
      })),
      config: compiled.config,
      effective,
    },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
}

function existing(file: string): { readonly lastGood: ReturnType<typeof compile>['lastGood'] } | undefined {
  if (!readdirSync(TESTDATA).includes(file)) return undefined;
  const { resources, problems } = parseResources(readFileSync(new URL(file, TESTDATA), 'utf8'), file);
  assert.deepEqual(problems, []);
  return { lastGood: compile({ resources }).lastGood };
}

/** What is not the default, so that the pairs stay readable. */
function summary(policy: EffectivePolicy) {
  return {
    group: policy.group,
    session: difference(policy.session, DEFAULT_SESSION),
    retry: difference(policy.retry, DEFAULT_RETRY),
    limits: policy.limits.map(({ rivals, ...limit }) => ({
      ...limit,
      ...(rivals && {
        rivals: rivals.map((rival) => ({
          pool: rival.pool,
          bounds: rival.limit.bounds,
          sources: [...(rival.sources ?? [])].map(([address]) => address),
        })),
      }),
    })),
    ...(policy.reactions.length > 0 && { reactions: policy.reactions }),
  };
}

function difference(value: object, from: object): object {
  const base: Readonly<Record<string, unknown>> = { ...from };
  return Object.fromEntries(
    Object.entries(value).filter(([key, member]) => JSON.stringify(member) !== JSON.stringify(base[key])),
  );
}
