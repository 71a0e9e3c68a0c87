import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { loadSettings } from '../config/mod.ts';
import { checkKeys } from './mod.ts';

const GUIDE = new URL('../../../docs/guides/dkim.md', import.meta.url);

test('the rules of the DKIM guide load, and each key is where the guide puts it', async (context) => {
  const blocks = [...readFileSync(GUIDE, 'utf8').matchAll(/^```yaml\n# (.+)\n([\s\S]*?)^```$/gm)];
  assert.equal(blocks.length, 1, 'every yaml block is tested here');
  const directory = mkdtempSync(join(tmpdir(), 'sluice-guide-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'sluice.yaml');
  writeFileSync(
    file,
    stringify({
      apiVersion: 'sluice.email/v1alpha1',
      kind: 'MtaConfig',
      spec: {
        listeners: { smtp: [{ name: 'in', address: '127.0.0.1:0', relayNetworks: ['127.0.0.0/8'] }] },
        spool: { type: 'SQLite', sqlite: { path: 'spool.db' } },
        resources: { directory: 'resources' },
        tenants: [{ name: 'shop' }, { name: 'news' }],
        dkim: parse(blocks[0]?.[2] ?? ''),
      },
    }),
  );
  const loaded = loadSettings(file);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  const missing = await checkKeys(loaded.settings.dkim, file);
  assert.deepEqual(
    missing.map(({ what }) => /: \S+\/(keys\S+): there is no such file/.exec(what)?.[1]),
    ['keys/esp.example/s2026a.pem'],
  );
});
