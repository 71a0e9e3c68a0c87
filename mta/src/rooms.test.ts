import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path/posix';
import { test } from 'node:test';

/** The rooms of mta/src. An arrow only runs from a line to lines below it. */
const ROOM_LINES: readonly (readonly string[])[] = [
  ['commands'],
  ['control'],
  ['intake', 'proxy'],
  ['dispatch'],
  ['report'],
  ['deliver'],
  ['react'],
  ['egress'],
  ['route'],
  ['queue'],
  ['shape'],
  ['spool'],
  ['sign'],
  ['secrets', 'config', 'sink', 'blast', 'migrate'],
];

/** Rooms of tools, not of the MTA: they know no other room, and only these know them. */
const LEAVES: Readonly<Record<string, readonly string[]>> = {
  sink: ['commands'],
  blast: ['commands'],
  migrate: ['commands'],
};

/** Doors of mta besides its rooms: the program, and the suite that a store of any kind must pass. */
const OTHER_DOORS: readonly string[] = ['main', 'spool-contract'];

/** Which packages a package may import. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  crds: [],
  operator: ['crds'],
  mta: ['crds'],
  charts: ['crds', 'mta'],
  e2e: ['crds', 'operator', 'mta'],
};

/** Arrows that the table does not have and that may stay, each with its reason: `file -> what it imports`. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'mta/src/commands/command-line.test.ts -> ../main.ts':
    'no import: the test starts the program as a process, to see which files it loads',
};

const ROOT = join(import.meta.dirname, '../..');

interface Import {
  readonly line: number;
  readonly specifier: string;
}

test('who reads one room need not read those above it: no import against the table of rooms', () => {
  const offences: string[] = [];
  const unused = new Set(Object.keys(EXCEPTIONS));
  let seen = 0;
  for (const file of sourceFiles()) {
    for (const found of importsOf(readFileSync(join(ROOT, file), 'utf8'))) {
      seen++;
      const reason = offence(file, found.specifier);
      if (reason === undefined) continue;
      const arrow = `${file} -> ${found.specifier}`;
      if (EXCEPTIONS[arrow] === undefined) offences.push(`${file}:${found.line} ${reason}`);
      unused.delete(arrow);
    }
  }
  assert.ok(seen > 500, `only ${seen} imports were found: this test looks in the wrong place`);
  assert.equal(offences.length, 0, `\n${offences.join('\n')}\n`);
  assert.deepEqual([...unused], [], 'exceptions that nobody needs any more');
});

test('every folder of the MTA is a room of the table and has a door', () => {
  const files = sourceFiles().filter((file) => packageOf(file) === 'mta');
  const rooms = new Set(files.map(roomOf).filter((room) => room !== undefined));
  assert.ok(rooms.has('queue'));
  for (const room of rooms) {
    assert.ok(ROOM_LINES.flat().includes(room), `mta/src/${room} is not in the table`);
    assert.ok(files.includes(`mta/src/${room}/mod.ts`), `mta/src/${room} has no mod.ts`);
  }
});

test('the check sees each kind of forbidden arrow, and lets the others pass', () => {
  const forbidden = [
    ['mta/src/queue/queue.ts', '../dispatch/mod.ts'],
    ['mta/src/config/a.ts', '../secrets/mod.ts'],
    ['mta/src/dispatch/a.ts', '../queue/ring.ts'],
    ['mta/src/dispatch/bench/a.ts', '../../queue/ring.ts'],
    ['mta/src/deliver/a.ts', '../sink/mod.ts'],
    ['mta/src/sink/a.ts', '../blast/mod.ts'],
    ['mta/src/report/a.ts', '@sluice/mta/spool'],
    ['mta/src/queue/a.ts', '../main.ts'],
    ['mta/src/main.ts', './commands/run.ts'],
    ['mta/src/route/a.ts', '@sluice/e2e/internet'],
    ['mta/src/route/a.ts', '../../../e2e/src/internet/dns-server.ts'],
    ['mta/src/config/a.ts', '../../../crds/src/errors.ts'],
    ['operator/src/a.ts', '@sluice/mta/config'],
    ['crds/src/a.ts', '@sluice/mta/config'],
    ['e2e/src/cases/a.ts', '../../../mta/src/sink/mod.ts'],
    ['e2e/src/cases/a.ts', '@sluice/mta/sink/ledger.ts'],
    ['mta/src/queue/a.ts', '@sluice/crds/src/errors.ts'],
    ['mta/src/queue/a.ts', '../../testdata/tls/test-key.ts'],
  ] as const;
  for (const [file, specifier] of forbidden)
    assert.ok(offence(file, specifier) !== undefined, `${file} -> ${specifier}`);
  const allowed = [
    ['mta/src/dispatch/a.ts', '../queue/mod.ts'],
    ['mta/src/dispatch/bench/a.ts', '../lanes.ts'],
    ['mta/src/commands/a.ts', '../sink/mod.ts'],
    ['mta/src/main.ts', './commands/mod.ts'],
    ['mta/src/queue/a.ts', '@sluice/crds'],
    ['mta/src/queue/a.ts', 'node:fs'],
    ['mta/src/queue/a.test.ts', '../../testdata/tls/test-key.ts'],
    ['e2e/src/internet/a.ts', '@sluice/mta/sink'],
    ['e2e/src/cases/a.ts', '../internet/internet.ts'],
  ] as const;
  for (const [file, specifier] of allowed)
    assert.equal(offence(file, specifier), undefined, `${file} -> ${specifier}`);
});

test('the check finds imports however they are written', () => {
  const source = [
    "import { a } from './a.ts';",
    'import type {',
    '  B,',
    "} from './b.ts';",
    "export * from './c.ts';",
    "import './d.ts';",
    "const e = await import('./e.ts');",
    "new Worker(new URL('./f.ts', import.meta.url));",
    "type G = import('./g.ts').G;",
  ].join('\n');
  const found = importsOf(source).map(({ line, specifier }) => `${line} ${specifier}`);
  const expected = ['1 ./a.ts', '4 ./b.ts', '5 ./c.ts', '6 ./d.ts', '7 ./e.ts', '8 ./f.ts', '9 ./g.ts'];
  assert.deepEqual(found, expected);
});

function sourceFiles(): readonly string[] {
  return globSync('{crds,operator,mta,charts,e2e}/src/**/*.ts', { cwd: ROOT })
    .filter((file) => !file.includes('/node_modules/') && file !== 'mta/src/rooms.test.ts')
    .sort();
}

const IMPORT =
  /^\s*(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]|\bnew URL\(\s*['"]([^'"]+\.ts)['"]/gm;

function importsOf(source: string): readonly Import[] {
  return [...source.matchAll(IMPORT)].map((match) => {
    const end = match.index + match[0].length;
    const specifier = match[1] ?? match[2] ?? match[3] ?? match[4] ?? '';
    return { line: source.slice(0, end).split('\n').length, specifier };
  });
}

/** Why this import is not allowed; `undefined` = it is. Paths are relative to the root of the repository. */
function offence(file: string, specifier: string): string | undefined {
  const here = packageOf(file);
  if (specifier.startsWith('@sluice/')) return packageOffence(here, file, specifier);
  if (!specifier.startsWith('.')) return undefined;
  const target = relative('.', join(dirname(file), specifier));
  if (packageOf(target) !== here)
    return `imports ${target} by its path: another package is imported by its name`;
  return here === 'mta' ? roomOffence(file, target) : undefined;
}

function packageOffence(here: string, file: string, specifier: string): string | undefined {
  const [, there = '', door = '', ...deeper] = specifier.split('/');
  if (there === here) return `imports ${specifier}: inside a package paths are relative`;
  if (!(PACKAGES[here] ?? []).includes(there)) return `${here} must not import ${there} (${file})`;
  if (deeper.length > 0) return `imports ${specifier}: past the door of the room`;
  if (there !== 'mta') return door === '' ? undefined : `imports ${specifier}: past the door of ${there}`;
  const known = ROOM_LINES.flat().includes(door) || OTHER_DOORS.includes(door);
  return known ? undefined : `imports ${specifier}: there is no such room`;
}

function roomOffence(file: string, target: string): string | undefined {
  // Data of tests lies below all rooms, and what users run must not need it.
  if (target.startsWith('mta/testdata/'))
    return /[.-](test|fixture)\.ts$|\/bench\//.test(file)
      ? undefined
      : `${file} is no test, and imports ${target}`;
  const from = roomOf(file);
  const to = roomOf(target);
  if (from === to) return undefined;
  if (to === undefined) return `the room ${from} must not import ${target}, which is above all rooms`;
  if (target !== `mta/src/${to}/mod.ts`) return `imports ${target}: past the door of the room ${to}`;
  // What lies outside the rooms (main.ts, the generators of the reference pages) is above all of them.
  if (from === undefined) return undefined;
  if (LEAVES[from] !== undefined) return `the room ${from} must not import other rooms (${to})`;
  const users = LEAVES[to];
  if (users !== undefined)
    return users.includes(from) ? undefined : `the room ${from} must not import ${to}: only ${users} may`;
  return lineOf(from) < lineOf(to) ? undefined : `the room ${from} must not import ${to}: not below it`;
}

function lineOf(room: string): number {
  return ROOM_LINES.findIndex((line) => line.includes(room));
}

function packageOf(path: string): string {
  return path.split('/')[0] ?? '';
}

/** `undefined` = outside all rooms. */
function roomOf(path: string): string | undefined {
  const [, , room = '', inside] = path.split('/');
  return inside === undefined ? undefined : room;
}
