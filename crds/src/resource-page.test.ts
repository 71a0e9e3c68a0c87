import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_RETRY, DEFAULT_SESSION } from './defaults.ts';
import { EGRESS_POOL_PAGE } from './egress-pool-page.ts';
import { fieldRows } from './field-table.ts';
import { compile, formatDuration, formatProblem, parseDuration, parseResources } from './mod.ts';
import { RESOURCE_KINDS, RESOURCE_SCHEMAS } from './resource.ts';
import { exampleOf, resourcePage, rowsOf } from './resource-page.ts';
import { SHAPING_POLICY_PAGE } from './shaping-policy-page.ts';

const PAGES = [EGRESS_POOL_PAGE, SHAPING_POLICY_PAGE];

test('every kind has a page: nobody has to read a schema', () => {
  assert.deepEqual(
    PAGES.map(({ kind }) => kind),
    RESOURCE_KINDS,
  );
});

for (const page of PAGES) {
  const text = resourcePage(page);
  const rows = rowsOf(page);

  test(`${page.kind}: every field of the schema has one row, or is told to be the same as one that has`, () => {
    const told = new Map(rows.map((row) => [row.path, row]));
    const all = fieldRows(RESOURCE_SCHEMAS[page.kind]);
    assert.ok(all.length > 40, `${all.length}`);
    for (const row of all) {
      const [alias, path] = Object.entries(page.same).find(([other]) => row.path.startsWith(other)) ?? [];
      const other =
        alias === undefined || row.path === alias ? row.path : path + row.path.slice(alias.length);
      const { form, fallback, description } = told.get(other) ?? {};
      assert.deepEqual([form, fallback, description], [row.form, row.fallback, row.description], row.path);
      assert.equal(text.split(`| \`${other}\` |`).length, 2, `${other} has one row on the page`);
    }
  });

  test(`${page.kind}: every field that takes a value shows one in an example`, () => {
    const without = rows.filter((row) => !row.hasFields && page.same[row.path] === undefined);
    assert.deepEqual(
      without.filter((row) => exampleOf(page, row) === undefined).map(({ path }) => path),
      [],
    );
  });

  for (const { title, example } of page.sections) {
    test(`${page.kind}, ${title}: who copies the example has a resource that is accepted whole`, () => {
      const parsed = parseResources(example, 'example.yaml');
      assert.deepEqual(parsed.problems.map(formatProblem), []);
      assert.deepEqual(
        parsed.resources.map(({ kind }) => kind),
        [page.kind],
      );
      // Pools that examples name are those of the page of pools.
      const pools = EGRESS_POOL_PAGE.sections.map((section) => section.example).join('\n---\n');
      const around = page === EGRESS_POOL_PAGE ? [] : parsed.resources;
      const { statuses } = compile({
        resources: [...parseResources(pools, 'pools.yaml').resources, ...around],
      });
      const status = statuses.find(
        ({ name, kind }) => kind === page.kind && name === parsed.resources[0]?.name,
      );
      assert.deepEqual(
        status?.conditions.map(({ type, status: value }) => `${type}=${value}`),
        ['Accepted=True', 'ResolvedRefs=True'],
        JSON.stringify(status?.conditions),
      );
    });
  }
}

test('the page of pools names the warm-up that a source is left unused for, and only that', () => {
  const { resources } = parseResources(
    EGRESS_POOL_PAGE.sections.map(({ example }) => example).join('\n---\n'),
    'pools.yaml',
  );
  const unused = compile({ resources }).config.pools.flatMap(({ sources }) =>
    sources.filter(({ state }) => state === 'Disabled').map(({ name, egress }) => `${egress.type} ${name}`),
  );
  assert.deepEqual(unused, ['Direct ip-1', 'Direct ip-2']);
  const text = resourcePage(EGRESS_POOL_PAGE);
  assert.ok(text.includes('- a source with `warmup`; it is not used'));
  assert.ok(!text.includes('- a source with `egress.type'));
});

test('the defaults that the page of policies tells are those that apply without any policy', () => {
  const text = resourcePage(SHAPING_POLICY_PAGE);
  const told = (path: string) =>
    text
      .split('\n')
      .find((line) => line.startsWith(`| \`spec.default.${path}\` |`))
      ?.split(' | ')[2];
  const { timeouts, tls, ...session } = DEFAULT_SESSION;
  const expected: Record<string, string> = {
    'session.messagesPerConnection': String(session.messagesPerConnection),
    'session.recipientsPerTransaction': String(session.recipientsPerTransaction),
    'session.idleTimeout': formatDuration(session.idleTimeoutMs),
    'retry.delays': DEFAULT_RETRY.delaysMs.map(formatDuration).join(', '),
    'retry.expireAfter': formatDuration(DEFAULT_RETRY.expireAfterMs),
    ...Object.fromEntries(Object.entries(tls).map(([name, value]) => [`session.tls.${name}`, value])),
    ...Object.fromEntries(
      Object.entries(timeouts).map(([name, ms]) => [
        `session.timeouts.${name.replace(/Ms$/, '')}`,
        formatDuration(ms),
      ]),
    ),
  };
  for (const [path, value] of Object.entries(expected)) {
    // `60s` and `1m` are one duration.
    const shown = told(path)?.replaceAll('`', '') ?? '';
    assert.equal(shown.split(', ').map(normalDuration).join(', '), value, path);
  }
});

function normalDuration(text: string): string {
  const durationMs = parseDuration(text);
  return durationMs === undefined ? text : formatDuration(durationMs);
}
