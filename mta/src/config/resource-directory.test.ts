import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { ResourceDirectory, type ResourceFiles } from './resource-directory.ts';

/** What the issue promises for a change of resources. */
const IN_FORCE_MS = 2_000;

const root = mkdtempSync(join(tmpdir(), 'sluice-directory-'));
after(() => rmSync(root, { recursive: true }));

class Watched {
  readonly directory: string;
  readonly seen: ResourceFiles[] = [];
  readonly reasons: string[] = [];
  readonly #watch: ResourceDirectory;

  constructor(t: TestContext, prepare: (directory: string) => void) {
    this.directory = mkdtempSync(join(root, 'd-'));
    prepare(this.directory);
    this.#watch = new ResourceDirectory({
      directory: this.directory,
      onFiles: (files) => this.seen.push(files),
      onUnreadable: (reason) => this.reasons.push(reason),
    });
    t.after(() => this.#watch.close());
  }

  start(): Promise<void> {
    return this.#watch.start();
  }

  /** The last content, base name → text. */
  get files(): Readonly<Record<string, string>> {
    return Object.fromEntries(Array.from(this.seen.at(-1) ?? [], ([path, text]) => [basename(path), text]));
  }

  async until(condition: () => boolean, what: string): Promise<number> {
    const started = performance.now();
    while (!condition()) {
      const waitedMs = performance.now() - started;
      assert.ok(
        waitedMs < IN_FORCE_MS,
        `${what}: not within ${IN_FORCE_MS} ms; last seen ${JSON.stringify(this.files)}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return performance.now() - started;
  }
}

/** Mounts a version of a ConfigMap as the kubelet does: a new directory, and `..data` swapped onto it atomically. */
function mountConfigMap(directory: string, version: string, files: Readonly<Record<string, string>>): void {
  const target = `..${version}`;
  mkdirSync(join(directory, target));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, target, name), text);
  symlinkSync(target, join(directory, '..data_tmp'));
  renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  for (const name of Object.keys(files)) {
    if (!readdirSync(directory).includes(name)) symlinkSync(join('..data', name), join(directory, name));
  }
}

test('at the start all YAML files are there, and nothing else', async (t) => {
  const watched = new Watched(t, (directory) => {
    writeFileSync(join(directory, 'b.yml'), 'two');
    writeFileSync(join(directory, 'a.yaml'), 'one');
    writeFileSync(join(directory, 'README.md'), 'no');
    writeFileSync(join(directory, '.a.yaml.swp'), 'no');
    writeFileSync(join(directory, '.hidden.yaml'), 'no');
  });
  await watched.start();
  assert.deepEqual(watched.files, { 'a.yaml': 'one', 'b.yml': 'two' });
  assert.deepEqual(
    [...(watched.seen[0]?.keys() ?? [])].map((path) => basename(path)),
    ['a.yaml', 'b.yml'],
  );
});

test('an edit, a new file and a removed file are in force within two seconds', async (t) => {
  const watched = new Watched(t, (directory) => writeFileSync(join(directory, 'a.yaml'), 'one'));
  await watched.start();
  writeFileSync(join(watched.directory, 'a.yaml'), 'ONE');
  await watched.until(() => watched.files['a.yaml'] === 'ONE', 'edit in place');
  writeFileSync(join(watched.directory, '.tmp'), 'three');
  renameSync(join(watched.directory, '.tmp'), join(watched.directory, 'a.yaml'));
  await watched.until(() => watched.files['a.yaml'] === 'three', 'replaced by rename');
  writeFileSync(join(watched.directory, 'b.yaml'), 'b');
  await watched.until(() => watched.files['b.yaml'] === 'b', 'new file');
  rmSync(join(watched.directory, 'a.yaml'));
  await watched.until(() => !('a.yaml' in watched.files), 'removed file');
});

test('the ..data swap of a mounted ConfigMap is seen whole: never files of two versions together', async (t) => {
  const files = (version: string) => ({
    'pools.yaml': `pools ${version}`,
    'policies.yaml': `policies ${version}`,
  });
  const watched = new Watched(t, (directory) => mountConfigMap(directory, '1', files('1')));
  await watched.start();
  for (const version of ['2', '3', '4']) {
    mountConfigMap(watched.directory, version, files(version));
    await watched.until(() => watched.files['pools.yaml'] === `pools ${version}`, `version ${version}`);
  }
  const seen = watched.seen.map((each) => [...each.values()].join());
  assert.deepEqual(
    seen,
    ['1', '2', '3', '4'].map((version) => `policies ${version},pools ${version}`),
  );
});

test('a change that keeps size and modification time is seen all the same', async (t) => {
  const watched = new Watched(t, (directory) => {
    writeFileSync(join(directory, 'a.yaml'), 'one');
    utimesSync(join(directory, 'a.yaml'), 1_000, 1_000);
  });
  await watched.start();
  writeFileSync(join(watched.directory, 'a.yaml'), 'two');
  utimesSync(join(watched.directory, 'a.yaml'), 1_000, 1_000);
  await watched.until(() => watched.files['a.yaml'] === 'two', 'same size and time');
});

test('a touched but unchanged file does not count as a change', async (t) => {
  const watched = new Watched(t, (directory) => writeFileSync(join(directory, 'a.yaml'), 'one'));
  await watched.start();
  utimesSync(join(watched.directory, 'a.yaml'), 5_000, 5_000);
  writeFileSync(join(watched.directory, 'b.yaml'), 'b');
  await watched.until(() => watched.seen.length > 1, 'the change after it');
  assert.equal(watched.seen.length, 2);
});

test('a file that an editor is still writing is read when it has kept still, not as an empty one', async (t) => {
  const watched = new Watched(t, (directory) => writeFileSync(join(directory, 'a.yaml'), 'one'));
  await watched.start();
  writeFileSync(join(watched.directory, 'a.yaml'), '');
  await new Promise((resolve) => setTimeout(resolve, 20));
  writeFileSync(join(watched.directory, 'a.yaml'), 'two');
  await watched.until(() => watched.files['a.yaml'] === 'two', 'finished file');
  assert.deepEqual(
    watched.seen.map((each) => [...each.values()].join()),
    ['one', 'two'],
  );
});

test('a file that never keeps still is read all the same, within two seconds', async (t) => {
  const watched = new Watched(t, (directory) => writeFileSync(join(directory, 'a.yaml'), 'start'));
  await watched.start();
  let count = 0;
  const writer = setInterval(() => writeFileSync(join(watched.directory, 'a.yaml'), `n${count++}`), 20);
  t.after(() => clearInterval(writer));
  await watched.until(() => watched.seen.length > 1, 'restless file');
});

test('a directory that goes away is told once, and read again when it is back', async (t) => {
  const watched = new Watched(t, (directory) => writeFileSync(join(directory, 'a.yaml'), 'one'));
  await watched.start();
  const away = `${watched.directory}-away`;
  renameSync(watched.directory, away);
  await watched.until(() => watched.reasons.length > 0, 'told');
  assert.match(watched.reasons.join(), /no such file or directory/);
  renameSync(away, watched.directory);
  await watched.until(() => watched.seen.length > 1, 'read again');
  writeFileSync(join(watched.directory, 'a.yaml'), 'two');
  await watched.until(() => watched.files['a.yaml'] === 'two', 'watched again');
  assert.equal(watched.reasons.length, 1);
});

test('a dangling link is a reason told, not an empty configuration', async (t) => {
  const watched = new Watched(t, (directory) => symlinkSync('gone', join(directory, 'a.yaml')));
  await watched.start();
  assert.equal(watched.seen.length, 0);
  assert.match(watched.reasons.join(), /^a\.yaml: no such file or directory/);
});

test('files in directories below are read and followed; what links lead to twice is read once', async (t) => {
  const watched = new Watched(t, (directory) => {
    mkdirSync(join(directory, 'eu/de'), { recursive: true });
    mkdirSync(join(directory, '.git'));
    writeFileSync(join(directory, 'eu/de/a.yaml'), 'a');
    writeFileSync(join(directory, '.git/no.yaml'), 'no');
    symlinkSync('eu', join(directory, 'same'));
    symlinkSync('../..', join(directory, 'eu/de/round'));
    symlinkSync('nowhere', join(directory, 'broken'));
    symlinkSync('de/a.yaml', join(directory, 'eu/link.yaml'));
  });
  await watched.start();
  assert.deepEqual(watched.files, { 'a.yaml': 'a', 'link.yaml': 'a' });
  writeFileSync(join(watched.directory, 'eu/de/a.yaml'), 'A');
  await watched.until(() => watched.files['a.yaml'] === 'A', 'edit in a directory below');
  mkdirSync(join(watched.directory, 'us'));
  writeFileSync(join(watched.directory, 'us/b.yaml'), 'b');
  await watched.until(() => watched.files['b.yaml'] === 'b', 'a new directory');
  rmSync(join(watched.directory, 'eu'), { recursive: true });
  await watched.until(() => !('a.yaml' in watched.files), 'a removed directory');
});

test('a mounted ConfigMap with paths below its root is read by the names that lead there, once', async (t) => {
  const watched = new Watched(t, (directory) => {
    mkdirSync(join(directory, '..1/eu'), { recursive: true });
    writeFileSync(join(directory, '..1/eu/pool.yaml'), 'pool');
    symlinkSync('..1', join(directory, '..data'));
    symlinkSync('..data/eu', join(directory, 'eu'));
  });
  await watched.start();
  assert.deepEqual(
    [...(watched.seen[0]?.keys() ?? [])].map((path) => path.slice(watched.directory.length)),
    ['/eu/pool.yaml'],
  );
});

test('a file that is no text, or far too large, is told and keeps what was in force', async (t) => {
  for (const [bytes, reason] of [
    [Uint8Array.of(0x61, 0), /NUL/],
    [Uint8Array.of(0xc3, 0x28), /UTF-8/],
    [new Uint8Array(9 * 2 ** 20).fill(0x20), /larger than 8 MiB/],
  ] as const) {
    const watched = new Watched(t, (directory) => writeFileSync(join(directory, 'a.yaml'), bytes));
    await watched.start();
    assert.match(watched.reasons.join(), reason);
    assert.deepEqual(watched.seen, []);
  }
});
