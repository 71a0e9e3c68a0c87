import type { Logger } from '../config/mod.ts';
import type { AcceptRefusal, Dispatcher, SubmitReport } from '../dispatch/mod.ts';
import type { AcceptMessage, Rejection } from '../intake/mod.ts';
import type { Metrics } from '../report/mod.ts';
import type { Signing } from './signing.ts';

/** The one way into the store: every message is signed, then stored and queued. */
export interface Submit {
  /** A client's message; resolves when it is durable, or with the reply that refuses it. */
  readonly client: AcceptMessage;
  /** A report of our own (a DSN): a missing DKIM key does not stop it. Resolves as `Dispatcher.accept` does. */
  readonly own: SubmitReport;
}

const REFUSALS: Readonly<Record<AcceptRefusal['refused'], Rejection>> = {
  full: { code: 452, enhanced: '4.3.1', text: 'Insufficient storage, try again later' },
  unavailable: { code: 451, enhanced: '4.3.2', text: 'The message store is not available, try again later' },
  'no-pool': { code: 451, enhanced: '4.3.5', text: 'No egress pool matches this message, ask the operator' },
};

/** A refusal of one kind is logged at most this often, milliseconds. */
const LOG_REFUSAL_EVERY_MS = 5_000;

export interface SubmitOptions {
  readonly dispatcher: Pick<Dispatcher, 'accept'>;
  /** `undefined` = nothing is signed. */
  readonly signing: Signing | undefined;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Example: `const submit = createSubmit({ dispatcher, signing, metrics, logger }); await submit.client(envelope, body);` */
export function createSubmit({ dispatcher, signing, metrics, logger }: SubmitOptions): Submit {
  const loggedAtMs = new Map<string, number>();
  const store: AcceptMessage = async (envelope, body) => {
    const startMs = performance.now();
    const refusal = await dispatcher.accept(envelope, body);
    const nowMs = performance.now();
    if (refusal === undefined) {
      metrics.spoolAppended(nowMs - startMs);
      return undefined;
    }
    if (refusal.refused !== 'no-pool') metrics.spoolRefused(refusal.refused);
    if (nowMs - (loggedAtMs.get(refusal.refused) ?? Number.NEGATIVE_INFINITY) > LOG_REFUSAL_EVERY_MS) {
      loggedAtMs.set(refusal.refused, nowMs);
      logger.warn({ refused: refusal.refused, reason: refusal.reason }, 'mail is refused');
    }
    return REFUSALS[refusal.refused];
  };
  if (signing === undefined) {
    return { client: store, own: (envelope, body) => dispatcher.accept(envelope, body) };
  }
  return {
    async client(envelope, body) {
      const signed = await signing.accept(envelope, body);
      return 'code' in signed ? signed : store(signed.envelope, signed.body);
    },
    async own(envelope, body) {
      const signed = await signing.acceptOwn(envelope, body);
      return dispatcher.accept(signed.envelope, signed.body);
    },
  };
}
