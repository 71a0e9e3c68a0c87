import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sluice } from './command-run.fixture.ts';
import { eventText } from './events.ts';

const EVENT = {
  type: 'bounced',
  time: '2026-12-01T10:00:00.123Z',
  id: '01JE00000000000000000000AB',
  sender: 'news@shop.example',
  recipients: ['jo@gmail.example', 'al@gmail.example'],
  tenant: 'shop',
  source: 'ip-1',
  mxHost: 'mx.gmail.example',
  reason: '',
  reply: { code: 550, enhanced: '5.1.1', text: 'no such\nuser' },
};

test('an event is one line, whatever the reply has in it', () => {
  assert.equal(
    eventText(EVENT),
    '10:00:00.123 bounced    01JE00000000000000000000AB <news@shop.example> → jo@gmail.example and 1 more' +
      '  mx.gmail.example said 550 5.1.1 no such user\n',
  );
  const { reply: _, ...accepted } = { ...EVENT, type: 'accepted', recipients: ['jo@gmail.example'] };
  assert.equal(
    eventText(accepted),
    '10:00:00.123 accepted   01JE00000000000000000000AB <news@shop.example> → jo@gmail.example\n',
  );
});

test('a misspelt type or time is a wrong command line, not an empty answer', async () => {
  const type = await sluice(['events', '--type', 'bounced,bounce']);
  assert.equal(type.exitCode, 2);
  assert.match(type.err, /it is one of accepted, rejected, delivered/);
  const since = await sluice(['events', '--since', 'yesterday']);
  assert.equal(since.exitCode, 2);
  assert.match(since.err, /a duration such as 15m, or a time/);
});

test('who gives no NATS, or one that is gone, is told which one was asked', async () => {
  const gone = await sluice(['events', '--nats', 'nats://127.0.0.1:1', '--no-follow']);
  assert.equal(gone.exitCode, 1);
  assert.match(gone.err, /nats:\/\/127\.0\.0\.1:1.*\[SLUICE_NATS_UNREACHABLE\]/);
});
