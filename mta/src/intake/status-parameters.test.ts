import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeXtext, originalRecipientOf } from '../spool/mod.ts';
import { type Offered, parseMail, parseRcpt } from './mail-command.ts';
import { ReceivingMemory } from './receiving-memory.ts';
import { bothNotify } from './status-parameters.ts';
import { Transaction } from './transaction.ts';

const OFFERED: Offered = { extensions: true, auth: false, dsn: true, maxMessageBytes: 1_000 };

/** ORCPT or NOTIFY as it is kept, or the text of the refusal. */
function rcpt(parameters: string, smtputf8 = false, dsn = true) {
  const read = parseRcpt(`TO:<b@y.example> ${parameters}`, smtputf8, dsn);
  return 'refusal' in read ? `${read.refusal.code} ${read.refusal.text}` : read.asked;
}

function mail(parameters: string, offered = OFFERED) {
  const read = parseMail(`FROM:<a@x.example> ${parameters}`, offered);
  return 'refusal' in read
    ? `${read.refusal.code} ${read.refusal.text}`
    : { ret: read.ret, envelopeId: read.envelopeId };
}

test('what a sender asks about reports is understood in every spelling that RFC 3461 allows', () => {
  assert.deepEqual(mail('RET=full ENVID=QQ314159'), { ret: 'FULL', envelopeId: 'QQ314159' });
  assert.deepEqual(mail('SIZE=10 ENVID=a+2Bb+20c ret=HDRS'), { ret: 'HDRS', envelopeId: 'a+2Bb+20c' });
  assert.deepEqual(mail(''), { ret: '', envelopeId: '' });
  assert.deepEqual(rcpt('NOTIFY=never'), { notify: 'NEVER', originalRecipient: '' });
  assert.deepEqual(rcpt('notify=Delay,FAILURE,success'), {
    notify: 'SUCCESS,FAILURE,DELAY',
    originalRecipient: '',
  });
  assert.deepEqual(rcpt('ORCPT=rfc822;b+2Bc@y.example NOTIFY=DELAY'), {
    notify: 'DELAY',
    originalRecipient: 'rfc822;b+2Bc@y.example',
  });
  assert.deepEqual(rcpt('ORCPT=x400;/S=', true), NOT_ORCPT, 'a bare = is no xtext');
  assert.deepEqual(rcpt('ORCPT=x400;/S+3Db/'), { notify: '', originalRecipient: 'x400;/S+3Db/' });
  assert.deepEqual(rcpt('ORCPT=UTF-8;ü@y.example', true), {
    notify: '',
    originalRecipient: 'UTF-8;\\x{FC}@y.example',
  });
  assert.deepEqual(
    rcpt('ORCPT=rfc822;+C3+BC@y.example'),
    { notify: '', originalRecipient: 'utf-8;\\x{FC}@y.example' },
    'as Postfix writes it',
  );
  assert.deepEqual(rcpt('ORCPT=rfc822;+C3@y.example'), NOT_ORCPT);
  assert.deepEqual(rcpt('ORCPT=rfc822;+C2+85@y.example'), NOT_ORCPT, 'a control beyond ASCII');
  assert.deepEqual(rcpt('ORCPT=utf-8;\\x{FC}@y.example'), {
    notify: '',
    originalRecipient: 'utf-8;\\x{FC}@y.example',
  });
});

const NOT_ORCPT =
  '501 ORCPT must be an address type, a semicolon and an address in xtext, at most 500 characters';
const NOT_ENVID = '501 ENVID must be at most 100 characters of xtext that stand for printable ASCII';
const NOT_NOTIFY = '501 NOTIFY must be NEVER, or SUCCESS, FAILURE and DELAY with commas, each once';

test('a parameter that cannot be honoured is refused with the reason, never taken and ignored', () => {
  for (const [parameters, reply] of [
    ['RET', '501 RET must be FULL or HDRS'],
    ['RET=BODY', '501 RET must be FULL or HDRS'],
    ['RET=FULL RET=HDRS', '501 A parameter is there twice'],
    ['ENVID', NOT_ENVID],
    ['ENVID=', NOT_ENVID],
    ['ENVID=a=b', NOT_ENVID],
    ['ENVID=a+0D+0Ab', NOT_ENVID],
    [`ENVID=${'a'.repeat(101)}`, NOT_ENVID],
    ['ENVID=ü SMTPUTF8', NOT_ENVID],
    ['NOTIFY=NEVER', '555 Parameter not recognized or not implemented'],
  ] as const) {
    assert.equal(mail(parameters), reply, parameters);
  }
  for (const [parameters, reply] of [
    ['NOTIFY', NOT_NOTIFY],
    ['NOTIFY=', NOT_NOTIFY],
    ['NOTIFY=SUCCESS,', NOT_NOTIFY],
    ['NOTIFY=SUCCESS,SUCCESS', NOT_NOTIFY],
    ['NOTIFY=OFTEN', NOT_NOTIFY],
    ['NOTIFY=NEVER,FAILURE', '501 NOTIFY=NEVER excludes SUCCESS, FAILURE and DELAY'],
    ['NOTIFY=NEVER NOTIFY=NEVER', '501 A parameter is there twice'],
    ['ORCPT=rfc822;a@b ORCPT=rfc822;a@b', '501 A parameter is there twice'],
    ['ORCPT=', NOT_ORCPT],
    ['ORCPT=b@y.example', NOT_ORCPT],
    ['ORCPT=rfc822;', NOT_ORCPT],
    ['ORCPT=rfc 822;b@y.example', NOT_ORCPT],
    ['ORCPT=rfc822;b+0Ac@y.example', NOT_ORCPT],
    ['ORCPT=rfc822;b+FFc@y.example', NOT_ORCPT],
    ['ORCPT=utf-8;ü@y.example', NOT_ORCPT],
    ['ORCPT=utf-8;\\x{A}@y.example', NOT_ORCPT],
    ['ORCPT=utf-8;\\x{202E}@y.example', NOT_ORCPT],
    [`ORCPT=rfc822;${'a'.repeat(500)}`, NOT_ORCPT],
    ['RET=FULL', '555 Parameter not recognized or not implemented'],
  ] as const) {
    assert.equal(rcpt(parameters), reply, parameters);
  }
});

test('a listener that does not offer DSN refuses its parameters: nobody believes in a report that never comes', () => {
  const unknown = '555 Parameter not recognized or not implemented';
  assert.equal(mail('RET=FULL', { ...OFFERED, dsn: false }), unknown);
  assert.equal(mail('ENVID=a', { ...OFFERED, dsn: false }), unknown);
  assert.equal(rcpt('NOTIFY=NEVER', false, false), unknown);
  assert.equal(rcpt('ORCPT=rfc822;b@y.example', false, false), unknown);
});

test('no original recipient smuggles a control character into a report', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), fc.boolean(), (text, utf8) => {
      const read = rcpt(`ORCPT=${utf8 ? 'utf-8' : 'rfc822'};${text}`, true);
      if (typeof read === 'string') return;
      assert.match(read.originalRecipient, /^[!-~]+$/);
      assert.doesNotMatch(originalRecipientOf(read.originalRecipient)?.address ?? '\n', /\p{Cc}/u);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 100 }), (address) => {
      const orcpt = `rfc822;${encodeXtext(address)}`;
      assert.deepEqual(rcpt(`ORCPT=${orcpt}`), { notify: '', originalRecipient: orcpt });
    }),
  );
});

test('an address that is given twice is asked about as both commands asked', () => {
  assert.equal(bothNotify('NEVER', 'DELAY'), 'DELAY');
  assert.equal(bothNotify('DELAY', 'NEVER'), 'DELAY');
  assert.equal(bothNotify('', 'DELAY'), 'FAILURE,DELAY');
  assert.equal(bothNotify('SUCCESS', ''), 'SUCCESS,FAILURE');
  assert.equal(bothNotify('', ''), '');
  assert.equal(bothNotify('NEVER', ''), '');
  const transaction = new Transaction(
    { sender: 'a@x.example', declaredBytes: 0, smtputf8: false, ret: '', envelopeId: '' },
    new ReceivingMemory(1_000),
    'Reject',
  );
  const add = (parameters: string, address = 'b@y.example') => {
    const read = parseRcpt(`TO:<${address}> ${parameters}`, false, true);
    assert.ok(!('refusal' in read) && transaction.add(read, 10));
  };
  add('', 'first@y.example');
  add('NOTIFY=DELAY');
  assert.equal(transaction.recipients.length, 2);
  add('NOTIFY=SUCCESS ORCPT=rfc822;c@y.example');
  assert.deepEqual(transaction.statusRequest, {
    ret: '',
    envelopeId: '',
    recipients: [
      { notify: '', originalRecipient: '' },
      { notify: 'SUCCESS,DELAY', originalRecipient: 'rfc822;c@y.example' },
    ],
  });
});
