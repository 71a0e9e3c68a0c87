import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isReported, mayReportDelay, type ReportRules } from './report-rules.ts';
import { envelopeOf } from './status-report.fixture.ts';

const NO_TENANTS: ReportRules['tenants'] = new Map();
const RFC: ReportRules = { reports: 'Enabled', delayed: 'OnRequest', tenants: NO_TENANTS };
const ACTIONS = ['failed', 'delayed', 'relayed'] as const;

function told(rules: ReportRules, notify: string | undefined, sender = 'alice@shop.example') {
  const recipients = [{ notify: notify ?? '', originalRecipient: '' }];
  const envelope = envelopeOf({
    sender,
    tenant: 'shop',
    ...(notify === undefined ? {} : { statusRequest: { ret: '', envelopeId: '', recipients } }),
  });
  assert.equal(mayReportDelay(rules, envelope), isReported(rules, envelope, 0, 'delayed'));
  return ACTIONS.filter((action) => isReported(rules, envelope, 0, action)).join();
}

/** NOTIFY, what RFC 3461 wants to be told of, what is told of with `delayed: Always`, with `reports: OnRequest`. */
const WISHES: readonly (readonly [string | undefined, string, string, string])[] = [
  [undefined, 'failed', 'failed,delayed', ''],
  ['', 'failed', 'failed,delayed', ''],
  ['NEVER', '', '', ''],
  ['SUCCESS', 'relayed', 'relayed', 'relayed'],
  ['FAILURE', 'failed', 'failed', 'failed'],
  ['DELAY', 'delayed', 'delayed', 'delayed'],
  ['SUCCESS,FAILURE', 'failed,relayed', 'failed,relayed', 'failed,relayed'],
  ['SUCCESS,DELAY', 'delayed,relayed', 'delayed,relayed', 'delayed,relayed'],
  ['FAILURE,DELAY', 'failed,delayed', 'failed,delayed', 'failed,delayed'],
  ['SUCCESS,FAILURE,DELAY', 'failed,delayed,relayed', 'failed,delayed,relayed', 'failed,delayed,relayed'],
];

for (const [notify, byRfc, always, onRequest] of WISHES) {
  test(`a sender is told exactly what he wants to know: NOTIFY=${notify ?? '(nothing)'}`, () => {
    assert.equal(told(RFC, notify), byRfc);
    assert.equal(told({ ...RFC, delayed: 'Always' }, notify), always);
    assert.equal(told({ ...RFC, reports: 'OnRequest' }, notify), onRequest);
    assert.equal(told({ ...RFC, tenants: new Map([['shop', 'OnRequest']]) }, notify), onRequest);
    assert.equal(
      told({ ...RFC, reports: 'OnRequest', tenants: new Map([['shop', 'Enabled']]) }, notify),
      byRfc,
    );
    assert.equal(told({ ...RFC, reports: 'Disabled', tenants: new Map([['shop', 'Enabled']]) }, notify), '');
    assert.equal(told({ ...RFC, delayed: 'Always' }, notify, ''), '', 'nothing is ever sent to <>');
  });
}

test('recipients of one message may wish different things', () => {
  const envelope = envelopeOf({
    recipients: ['a@x.example', 'b@x.example'],
    statusRequest: {
      ret: '',
      envelopeId: '',
      recipients: [
        { notify: 'NEVER', originalRecipient: '' },
        { notify: 'DELAY', originalRecipient: '' },
      ],
    },
  });
  assert.equal(isReported(RFC, envelope, 0, 'failed'), false);
  assert.equal(isReported(RFC, envelope, 0, 'delayed'), false);
  assert.equal(isReported(RFC, envelope, 1, 'delayed'), true);
  assert.equal(mayReportDelay(RFC, envelope), true);
});
