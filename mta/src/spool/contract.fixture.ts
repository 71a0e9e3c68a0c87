import assert from 'node:assert/strict';
import type { Envelope, MessageBody } from './envelope.ts';
import { newMessageId } from './message-id.ts';
import type { AppendRefusal, Reference } from './spool.ts';

/** An envelope with every field set. */
export function envelopeOf(fields: Partial<Envelope> = {}): Envelope {
  return {
    id: newMessageId(Date.now()),
    sender: 'bounces@shop.example',
    recipients: ['somebody@gmail.example'],
    tenant: 'shop',
    campaign: 'autumn',
    class: 'bulk',
    acceptedAtMs: 1_780_000_000_000,
    notBeforeMs: 1_780_000_060_000,
    expireAtMs: 1_780_086_400_000,
    sizeBytes: 100,
    eightBit: true,
    smtputf8: false,
    origin: 'smtp [192.0.2.1] user=shop',
    ...fields,
  };
}

/** Numbers from 0 to 2^32 - 1, the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Octets of every value, NUL included, in pieces as a socket would give them; the same for the same seed. */
export function bodyOf(seed: number, sizeBytes: number, pieceBytes = 4_096): MessageBody {
  const random = randomNumbers(seed);
  const bytes = Buffer.alloc(sizeBytes);
  const whole = sizeBytes - (sizeBytes % 4);
  for (let at = 0; at < whole; at += 4) bytes.writeUInt32LE(random(), at);
  for (let at = whole; at < sizeBytes; at++) bytes[at] = random();
  const pieces: Buffer[] = [];
  for (let at = 0; at < sizeBytes; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes));
  return pieces;
}

/** The reference of a message that the store took. */
export function stored(result: Reference | AppendRefusal): Reference {
  if ('refused' in result) assert.fail(`refused: ${result.refused}, ${result.reason}`);
  return result;
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
