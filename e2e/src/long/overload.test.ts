import { test } from 'node:test';
import { skipWithoutNats } from '../harness/nats-server.ts';
import { overload } from '../harness/overload.ts';

const skip = await skipWithoutNats('two minutes of twice as much mail as a pod can take');

test(
  'two minutes of twice as much mail as a pod can take fill no memory and hang no client, and it is over when they have gone',
  {
    skip,
    timeout: 400_000,
  },
  (context) => overload(context, 120),
);
