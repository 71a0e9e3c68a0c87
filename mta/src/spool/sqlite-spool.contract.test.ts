import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spoolContract } from './contract.suite.ts';
import { openSpool } from './sqlite-opener.fixture.ts';

spoolContract('SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-spool-'));
  const path = join(directory, 'spool.sqlite');
  let spool = await openSpool(path);
  return {
    spool,
    async reopen() {
      await spool.close();
      spool = await openSpool(path);
      return spool;
    },
    async close() {
      await spool.close();
      await rm(directory, { recursive: true });
    },
    elsewhere: { module: new URL('./sqlite-opener.fixture.ts', import.meta.url).href, argument: path },
  };
});
