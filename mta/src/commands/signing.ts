import type { DkimSettings, Logger } from '../config/mod.ts';
import type { HeldSigning } from '../dispatch/mod.ts';
import type { Rejection } from '../intake/mod.ts';
import type { Metrics } from '../report/mod.ts';
import { checkKeys, createSigner, KeyStore, type MissingKey } from '../sign/mod.ts';
import type { Envelope, MessageBody } from '../spool/mod.ts';

/** The same missing key is logged at most this often, milliseconds. */
const LOG_KEY_EVERY_MS = 60_000;
/** Keys that are missing at the start, with a line each. */
const MAX_LOGGED_AT_START = 20;
/** Missing keys that are remembered as logged. */
const MAX_LOGGED = 10_000;

/** A message as it is stored. */
export interface Outgoing {
  readonly envelope: Envelope;
  readonly body: MessageBody;
}

/** The signing step of a pod: what becomes of a message by the rules of `spec.dkim`. */
export interface Signing extends HeldSigning {
  /**
   * A client's message with its signatures, or marked as held, or why it is refused.
   *
   * Example: `const signed = await signing.accept(envelope, body); if ('code' in signed) return signed;`
   */
  accept(envelope: Envelope, body: MessageBody): Promise<Outgoing | Rejection>;
  /** A report of our own with its signatures. Without a key it goes unsigned: a report that is not sent helps nobody. */
  acceptOwn(envelope: Envelope, body: MessageBody): Promise<Outgoing>;
}

/** `undefined` when there are no rules: then no message pays for them. */
export function createSigning(settings: DkimSettings, metrics: Metrics, logger: Logger): Signing | undefined {
  if (settings.rules.length === 0) return undefined;
  const logMissing = missingKeyLog(logger);
  void logBrokenKeys(settings, logger);
  const keys = new KeyStore({
    nowMs: () => performance.now(),
    onChanged: (file) => logger.info({ file }, 'a DKIM key has changed and is in use'),
    onBroken: (file, reason) => logger.error({ file, reason }, 'a DKIM key file holds no key any more'),
  });
  const signer = createSigner(settings, keys);

  /** What came of it: with signatures, as it was, or the key that is missing. */
  const sign = async (envelope: Envelope, body: MessageBody) => {
    const result = await signer.sign(envelope, body);
    if (result.kind === 'missing-key') logMissing(result.missing, result.onMissingKey);
    if (result.kind !== 'signed' && result.kind !== 'unsigned') return result;
    for (const missing of result.leftOut) {
      metrics.dkimKeyMissing('SendUnsigned');
      logMissing(missing, 'SendUnsigned');
    }
    if (result.kind === 'unsigned') return { kind: 'ready', envelope, body } as const;
    metrics.dkimSigned(result.signatures);
    return {
      kind: 'ready',
      envelope: { ...envelope, sizeBytes: envelope.sizeBytes + result.fields.length },
      body: [result.fields, ...body],
    } as const;
  };

  return {
    async accept(envelope, body) {
      const result = await sign(envelope, body);
      if (result.kind === 'ready') return result;
      if (result.kind === 'unsignable') return unsignable(result.reason);
      metrics.dkimKeyMissing(result.onMissingKey);
      if (result.onMissingKey === 'Refuse') return keyMissing(result.missing);
      return { envelope: { ...envelope, awaitsSignature: result.missing.file }, body };
    },
    async acceptOwn(envelope, body) {
      const result = await sign(envelope, body);
      return result.kind === 'ready' ? result : { envelope, body };
    },
    async sign(envelope, body) {
      const result = await sign(envelope, body);
      if (result.kind === 'ready') return { body: result.body, sizeBytes: result.envelope.sizeBytes };
      // The rules have changed since it was accepted: it waits for a key that they name, or for its expiry.
      return { waitsFor: result.kind === 'missing-key' ? result.missing.file : '' };
    },
    async hasKey(file) {
      return file !== '' && !('flaw' in (await keys.get(file)));
    },
  };
}

function keyMissing({ domain, selector }: MissingKey): Rejection {
  return {
    code: 451,
    enhanced: '4.7.5',
    text: `No DKIM key for ${domain} (selector ${selector}), try again later`,
  };
}

function unsignable(reason: string): Rejection {
  return { code: 550, enhanced: '5.7.5', text: `Message cannot be signed: ${reason}` };
}

/** At the start, and not waited for: what is missing now may be a Secret that is about to come. */
async function logBrokenKeys(settings: DkimSettings, logger: Logger): Promise<void> {
  const problems = await checkKeys(settings, '');
  for (const { field, what } of problems.slice(0, MAX_LOGGED_AT_START)) logger.warn({ field }, what);
  if (problems.length > MAX_LOGGED_AT_START)
    logger.warn({ keys: problems.length }, 'more DKIM keys are missing; `sluice run --check` lists them all');
}

function missingKeyLog(logger: Logger): (missing: MissingKey, consequence: string) => void {
  const loggedAtMs = new Map<string, number>();
  return ({ rule, domain, selector, file, reason }, consequence) => {
    const key = `${file}\n${domain}`;
    const nowMs = performance.now();
    if (nowMs - (loggedAtMs.get(key) ?? Number.NEGATIVE_INFINITY) < LOG_KEY_EVERY_MS) return;
    if (loggedAtMs.size >= MAX_LOGGED) loggedAtMs.clear();
    loggedAtMs.set(key, nowMs);
    logger.warn({ rule, domain, selector, file, reason, consequence }, 'a DKIM key is missing');
  };
}
