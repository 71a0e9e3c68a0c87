import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PAGES = ['README.md', 'CHANGELOG.md', ...globSync('docs/**/*.md', { cwd: ROOT })].sort();

interface Link {
  readonly page: string;
  readonly path: string;
  readonly anchor: string;
}

/** Links of a page to other files and places of this tree; code is left out. */
function linksOf(page: string): readonly Link[] {
  const prose = readFileSync(join(ROOT, page), 'utf8')
    .replace(/^```[\s\S]*?^```$/gm, '')
    .replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [path = '', anchor = ''] = target.split('#');
    return [{ page, path: path === '' ? page : join(dirname(page), path), anchor }];
  });
}

/** Anchors of a page's headings, by the rule that Git hosts share. */
function anchorsOf(page: string): ReadonlySet<string> {
  const headings = readFileSync(join(ROOT, page), 'utf8').matchAll(/^#+ (.+)$/gm);
  return new Set(
    Array.from(headings, ([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  );
}

const links = PAGES.flatMap(linksOf);

test('every link of the README and of docs leads to something: a reader who follows one is not left alone', () => {
  assert.ok(links.length >= 10, `only ${links.length} links were found: the pattern is wrong`);
  const dead = links.filter(({ path }) => !existsSync(join(ROOT, path)));
  assert.deepEqual(
    dead.map(({ page, path }) => `${page} → ${path}`),
    [],
  );
});

test('every link to a heading leads to one', () => {
  const dead = links.filter(
    ({ path, anchor }) => anchor !== '' && path.endsWith('.md') && !anchorsOf(path).has(anchor),
  );
  assert.deepEqual(
    dead.map(({ page, path, anchor }) => `${page} → ${path}#${anchor}`),
    [],
  );
});

test('every guide and every reference page is linked from the README: nobody finds the others', () => {
  const fromReadme = new Set(links.filter(({ page }) => page === 'README.md').map(({ path }) => path));
  const orphans = PAGES.filter((page) => /^docs\/(guides|reference)\//.test(page) && !fromReadme.has(page));
  assert.deepEqual(
    orphans.map((page) => relative('.', page)),
    [],
  );
});
