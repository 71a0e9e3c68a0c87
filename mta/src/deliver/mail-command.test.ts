import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_CAPABILITIES } from './capabilities.ts';
import { mailCommand, rcptCommand } from './mail-command.ts';
import type { Transaction } from './transaction.ts';

const DSN = { ...NO_CAPABILITIES, dsn: true };
const PLAIN: Transaction = {
  sender: 'a@x.example',
  recipients: ['b@y.example', 'c@y.example', 'd@y.example'],
  body: [],
  sizeBytes: 0,
  eightBit: false,
  smtputf8: false,
};
const ASKING: Transaction = {
  ...PLAIN,
  statusRequest: {
    ret: 'HDRS',
    envelopeId: 'a+2Bb',
    recipients: [
      { notify: 'SUCCESS,DELAY', originalRecipient: 'rfc822;B+2B1@y.example' },
      { notify: 'NEVER', originalRecipient: '' },
      { notify: '', originalRecipient: '' },
    ],
  },
};

test('what the sender asked about reports goes on, unchanged, to a host that offers DSN', () => {
  assert.equal(mailCommand(ASKING, 0, DSN), 'MAIL FROM:<a@x.example> RET=HDRS ENVID=a+2Bb\r\n');
  assert.deepEqual(
    [0, 1, 2].map((index) => rcptCommand(ASKING, index, DSN)),
    [
      'RCPT TO:<b@y.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+2B1@y.example\r\n',
      'RCPT TO:<c@y.example> NOTIFY=NEVER\r\n',
      'RCPT TO:<d@y.example>\r\n',
    ],
  );
});

test('a host that does not offer DSN gets none of its parameters: it would refuse the mail', () => {
  assert.equal(mailCommand(ASKING, 0, NO_CAPABILITIES), 'MAIL FROM:<a@x.example>\r\n');
  assert.equal(rcptCommand(ASKING, 0, NO_CAPABILITIES), 'RCPT TO:<b@y.example>\r\n');
});

test('a message about which nothing was asked carries no parameter of DSN to anybody', () => {
  assert.equal(mailCommand(PLAIN, 0, DSN), 'MAIL FROM:<a@x.example>\r\n');
  assert.equal(rcptCommand(PLAIN, 0, DSN), 'RCPT TO:<b@y.example>\r\n');
});
