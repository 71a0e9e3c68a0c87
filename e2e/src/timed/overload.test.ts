import { test } from 'node:test';
import { skipWithoutNats } from '../harness/nats-server.ts';
import { overload } from '../harness/overload.ts';

const skip = await skipWithoutNats('twice as much mail as a pod can take');

test(
  'twice as much mail as a pod can take fills no memory and hangs no client, and it is over when they have gone',
  {
    skip,
    timeout: 120_000,
  },
  (context) => overload(context, 12),
);
