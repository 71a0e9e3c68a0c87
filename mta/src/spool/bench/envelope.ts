import type { Envelope } from '../envelope.ts';
import { newMessageId } from '../message-id.ts';

/** An envelope of usual length with an id of its own. */
export function benchEnvelope(sizeBytes: number): Envelope {
  const nowMs = Date.now();
  return {
    id: newMessageId(nowMs),
    sender: 'bounces+1234567@mail.shop.example',
    recipients: ['somebody.with.a.name@gmail.example'],
    tenant: 'shop',
    campaign: 'autumn-sale',
    class: '',
    acceptedAtMs: nowMs,
    notBeforeMs: 0,
    expireAtMs: 0,
    sizeBytes,
    eightBit: false,
    smtputf8: false,
    origin: 'smtp [192.0.2.1] user=shop',
  };
}
