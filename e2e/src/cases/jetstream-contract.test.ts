import { after, before, describe, test } from 'node:test';
import { spoolContract } from '@sluice/mta/spool-contract';
import { openSpool } from '../harness/jetstream-opener.ts';
import { type NatsServer, skipWithoutNats, startNats } from '../harness/nats-server.ts';

const skip = await skipWithoutNats('the spool on JetStream keeps the same promises as the one on SQLite');

if (skip !== false) test('spool contract: JetStream', { skip }, () => {});
else
  describe('one nats-server', () => {
    let nats: NatsServer | undefined;
    let opened = 0;
    before(async () => {
      nats = await startNats({ maxStoreBytes: 64 * 2 ** 30 });
    });
    after(() => nats?.close());

    spoolContract('JetStream', async () => {
      const argument = `${nats?.url} contract-${++opened}`;
      let spool = await openSpool(argument);
      return {
        spool,
        async reopen() {
          await spool.close();
          spool = await openSpool(argument);
          return spool;
        },
        close: () => spool.close(),
        elsewhere: { module: new URL('../harness/jetstream-opener.ts', import.meta.url).href, argument },
      };
    });
  });
