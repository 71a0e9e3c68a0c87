import type { Envelope, Reference, Spool } from '@sluice/mta/spool';

let made = 0;

/** An envelope with an id of its own, which rises. */
export function testEnvelope(changes: Partial<Envelope> = {}): Envelope {
  return {
    id: `01KAXY0S3E8M0N8Q7V${String(made++).padStart(8, '0')}`,
    sender: 'news@shop.example',
    recipients: ['somebody@a.example'],
    tenant: '',
    campaign: '',
    class: '',
    acceptedAtMs: 1_780_000_000_000,
    notBeforeMs: 0,
    expireAtMs: 0,
    sizeBytes: 0,
    eightBit: false,
    smtputf8: false,
    origin: 'test',
    ...changes,
  };
}

/** Stores messages of a size until one is refused; what was stored, and the refusal. */
export async function fillSpool(
  spool: Spool,
  sizeBytes: number,
  atMost: number,
): Promise<{ readonly stored: readonly Reference[]; readonly refused: string; readonly reason: string }> {
  const stored: Reference[] = [];
  const body = [Buffer.alloc(sizeBytes, 'x')];
  while (stored.length < atMost) {
    const result = await spool.append(testEnvelope({ sizeBytes }), body);
    if ('refused' in result) return { stored, ...result };
    stored.push(result);
  }
  return { stored, refused: '', reason: '' };
}
