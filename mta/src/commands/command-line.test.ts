import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '@sluice/crds';
import type { Problem } from '../config/mod.ts';
import { type CommandEntry, runCommandLine } from './command-line.ts';
import { ProblemsFound } from './problems-found.ts';

const PROBLEM: Problem = {
  code: 'SLUICE_FIELD_UNKNOWN',
  file: 'sluice.yaml',
  line: 8,
  column: 9,
  field: 'spec.dns.server',
  what: 'Unknown field "server".',
  cure: 'Did you mean "servers"?',
};

/** A command that records what it was given, or throws what it is told to. */
function commandList(seen: unknown[], thrown?: unknown): readonly CommandEntry[] {
  return [
    {
      name: 'run',
      summary: 'Run it',
      load: async () => (program) => {
        seen.push('loaded run');
        program
          .command('run')
          .description('Run it for long.')
          .requiredOption('--config <file>', 'settings')
          .action((_options, command) => {
            if (thrown !== undefined) throw thrown;
            seen.push(command.optsWithGlobals());
          });
      },
    },
    { name: 'sink', summary: 'Swallow mail', load: () => assert.fail('sink was loaded') },
  ];
}

async function sluice(args: readonly string[], thrown?: unknown) {
  const seen: unknown[] = [];
  let [out, err] = ['', ''];
  const exitCode = await runCommandLine(args, {
    commands: commandList(seen, thrown),
    version: '9.9.9',
    writeOut: (text) => (out += text),
    writeErr: (text) => (err += text),
  });
  return { exitCode, out, err, seen };
}

test('a command gets its options, and --json from either side of its name', async () => {
  const after = await sluice(['run', '--config', 'a.yaml', '--json']);
  assert.deepEqual(after, {
    exitCode: 0,
    out: '',
    err: '',
    seen: ['loaded run', { config: 'a.yaml', json: true }],
  });
  const before = await sluice(['--json', 'run', '--config', 'a.yaml']);
  assert.deepEqual(before.seen, after.seen);
});

test('help lists every command without loading any, and says the exit codes', async () => {
  const { exitCode, out, seen } = await sluice(['--help']);
  assert.equal(exitCode, 0);
  assert.match(out, /run +Run it/);
  assert.match(out, /sink +Swallow mail/);
  assert.match(out, /Exit codes: 0 done/);
  assert.match(out, /Examples:\n {2}\$ sluice run/);
  assert.deepEqual(seen, []);
});

test('help of one command is that of the command itself', async () => {
  for (const args of [
    ['run', '--help'],
    ['help', 'run'],
  ]) {
    const { exitCode, out } = await sluice(args);
    assert.equal(exitCode, 0);
    assert.match(out, /Run it for long/);
    assert.match(out, /--config <file>/);
  }
});

test('a wrong command line ends with 2 and says what was meant', async () => {
  const unknown = await sluice(['rnu']);
  assert.equal(unknown.exitCode, 2);
  assert.match(unknown.err, /unknown command 'rnu'.*Did you mean run.*cure: Run sluice --help/s);
  const missing = await sluice(['run']);
  assert.equal(missing.exitCode, 2);
  assert.match(missing.err, /--config <file>' not specified\n {2}cure: Run sluice run --help\.\n$/);
  assert.equal((await sluice([])).exitCode, 2);
  assert.match((await sluice([])).err, /Usage: sluice/);
});

test('the version is that of the package', async () => {
  assert.deepEqual(await sluice(['--version']), { exitCode: 0, out: '9.9.9\n', err: '', seen: [] });
});

test('problems of a file are printed as file:line:column with their cure, exit code 1', async () => {
  const thrown = new ProblemsFound([PROBLEM, { ...PROBLEM, line: 10, field: '' }]);
  const people = await sluice(['run', '--config', 'x'], thrown);
  assert.equal(people.exitCode, 1);
  assert.equal(
    people.err,
    [
      'sluice.yaml:8:9: spec.dns.server: Unknown field "server". [SLUICE_FIELD_UNKNOWN]',
      '  cure: Did you mean "servers"?',
      'sluice.yaml:10:9: Unknown field "server". [SLUICE_FIELD_UNKNOWN]',
      '  cure: Did you mean "servers"?',
      '',
    ].join('\n'),
  );
  const programs = await sluice(['run', '--config', 'x', '--json'], new ProblemsFound([PROBLEM]));
  assert.deepEqual(JSON.parse(programs.err), { errors: [PROBLEM] });
});

test('an error with a code shows the code, its sentence and its cure, exit code 1', async () => {
  const thrown = new SluiceError('SLUICE_LISTEN_FAILED', { address: '0.0.0.0:25', reason: 'in use' });
  const { exitCode, err } = await sluice(['run', '--config', 'x'], thrown);
  assert.equal(exitCode, 1);
  assert.match(
    err,
    /^Cannot listen on 0\.0\.0\.0:25: in use\. \[SLUICE_LISTEN_FAILED\]\n {2}cure: Check that no other/,
  );
});

test('what nobody foresaw keeps its stack, so that it can be reported', async () => {
  const { exitCode, err } = await sluice(['run', '--config', 'x'], new TypeError('x is undefined'));
  assert.equal(exitCode, 1);
  assert.match(err, /TypeError: x is undefined\n +at /);
  assert.match(err, /This is a bug in Sluice/);
});

test('sluice --help reads nothing that serves mail or HTTP: it answers at once', () => {
  const main = fileURLToPath(new URL('../main.ts', import.meta.url));
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, main, '--help'],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  assert.match(stdout, /Usage: sluice/);
  assert.match(stderr, /\/commander\//, 'the hook sees what is loaded');
  for (const heavy of [
    'fastify',
    'smtp-server',
    'prom-client',
    'pino',
    'tldts',
    'mta/src/dispatch',
    'mta/src/intake',
  ]) {
    assert.ok(!stderr.includes(`/${heavy}/`), heavy);
  }
});
