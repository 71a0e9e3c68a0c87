/**
 * Cost of one signature (relaxed/relaxed, default headers): ours, and mailauth's signer over the same octets.
 *
 * `node mta/src/sign/bench/run.ts` → one JSON line per size, key and signer: CPU of the whole process per message, how much of it was
 * on the event loop, and messages per second with 20 at a time.
 */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';
import { OVER_SIGNED_HEADERS, OVER_SIGNED_PRESENT_HEADERS, SIGNED_HEADERS } from '../../config/mod.ts';
import { createSigner } from '../mod.ts';

const SIZES = [2_048, 10_240, 102_400];
const AT_ONCE = 20;
const PIECE_BYTES = 65_536;

const HEADER = [
  'Received: from app.example ([192.0.2.1])\r\n\tby mta.example with ESMTP\r\n\tid 01K; Tue, 24 Nov 2026 10:00:00 +0000',
  'From: Shop <news@shop.example>',
  'To: <somebody@customer.example>',
  'Subject: The sale of the week begins today',
  'Date: Tue, 24 Nov 2026 10:00:00 +0000',
  'Message-ID: <01K@shop.example>',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=us-ascii',
  'List-Unsubscribe: <https://shop.example/u/1>',
  'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
  'Feedback-ID: 1:2:3:shop',
  '',
  '',
].join('\r\n');
const LINE = `${'Sluice sends what you hand it, no faster than they take it. '.padEnd(74, '.')}\r\n`;

for (const sizeBytes of SIZES) {
  const text = HEADER + LINE.repeat(Math.max(1, Math.round((sizeBytes - HEADER.length) / LINE.length)));
  const message = Buffer.from(text);
  const pieces: Buffer[] = [];
  for (let start = 0; start < message.length; start += PIECE_BYTES)
    pieces.push(message.subarray(start, start + PIECE_BYTES));
  for (const kind of ['rsa-2048', 'ed25519'] as const) {
    const key: KeyObject =
      kind === 'ed25519'
        ? generateKeyPairSync('ed25519').privateKey
        : generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const pem = key.export({ format: 'pem', type: 'pkcs8' }).toString();
    const algorithm = kind === 'ed25519' ? 'ed25519-sha256' : 'rsa-sha256';
    const signer = createSigner(
      {
        rules: [
          {
            name: 'all',
            match: { fromDomains: [], fromDomainSuffixes: [], tenants: [] },
            signatures: [
              {
                domain: '{domain}',
                selector: 's1',
                keyFile: 'key',
                canonicalization: 'relaxed/relaxed',
                onMissingKey: 'Refuse',
              },
            ],
            signedHeaders: SIGNED_HEADERS,
            overSign: OVER_SIGNED_HEADERS,
            overSignPresent: OVER_SIGNED_PRESENT_HEADERS,
          },
        ],
      },
      { get: () => ({ algorithm, key }) },
    );
    const ours = async (): Promise<void> => {
      const result = await signer.sign({ tenant: '' }, pieces);
      if (result.kind !== 'signed') throw new Error(result.kind);
    };
    const signature = { signingDomain: 'shop.example', selector: 's1', privateKey: pem };
    const theirs = async (): Promise<void> => {
      const { signatures } = await dkimSign(message, {
        canonicalization: 'relaxed/relaxed',
        algorithm,
        // Its types ask for the signature here, its code reads it from the list.
        ...signature,
        signatureData: [signature],
      });
      if (!signatures.includes('b=')) throw new Error('not signed');
    };
    for (const [name, work] of [
      ['sluice', ours],
      ['mailauth', theirs],
    ] as const) {
      await measure(work, 300);
      const figures = await measure(work, 2_000);
      process.stdout.write(`${JSON.stringify({ signer: name, key: kind, sizeBytes, ...figures })}\n`);
    }
  }
}

async function measure(work: () => Promise<void>, messages: number) {
  const cpuBefore = process.cpuUsage();
  const loopBefore = performance.eventLoopUtilization();
  const startMs = performance.now();
  let left = messages;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const elapsedMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  const { active } = performance.eventLoopUtilization(loopBefore);
  return {
    cpuMicros: Math.round((user + system) / messages),
    eventLoopMicros: Math.round((active * 1_000) / messages),
    perSecond: Math.round((messages / elapsedMs) * 1_000),
  };
}
