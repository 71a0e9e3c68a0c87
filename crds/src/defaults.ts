import type { EffectiveRetry, EffectiveSession, SessionTimeouts } from './effective-policy.ts';

/**
 * What applies where no policy says anything. Limits have no defaults: without a policy nothing is limited.
 */

/** Transactions on one connection. Large providers close after 20 to 100; a policy for them says less. */
export const DEFAULT_MESSAGES_PER_CONNECTION = 100;
/** RFC 5321 §4.5.3.1.8: every server must take at least 100 recipients. */
export const DEFAULT_RECIPIENTS_PER_TRANSACTION = 100;
export const DEFAULT_IDLE_TIMEOUT_MS = 60_000;

/** RFC 5321 §4.5.3.2 where it names a phase; the others are ours. */
export const DEFAULT_TIMEOUTS: SessionTimeouts = {
  /** Ours. The next host of the MX list should get its turn while the message is young. */
  connectMs: 60_000,
  /** §4.5.3.2.1 */
  greetingMs: 300_000,
  /** Ours, as long as the greeting: a server that looks the client up does it here. */
  ehloMs: 300_000,
  /** Ours, with the handshake. */
  startTlsMs: 60_000,
  /** Ours, for each reply of the exchange. */
  authMs: 60_000,
  /** §4.5.3.2.2 */
  mailMs: 300_000,
  /** §4.5.3.2.3 */
  rcptMs: 300_000,
  /** §4.5.3.2.4 */
  dataMs: 120_000,
  /** §4.5.3.2.5 */
  dataBlockMs: 180_000,
  /** §4.5.3.2.6; less makes duplicates. */
  finalDotMs: 600_000,
  /** Ours. It does nothing; who does not answer it is gone. */
  rsetMs: 20_000,
  /** Ours. Nothing is lost if the reply does not come. */
  quitMs: 5_000,
};

export const DEFAULT_SESSION: EffectiveSession = {
  messagesPerConnection: DEFAULT_MESSAGES_PER_CONNECTION,
  recipientsPerTransaction: DEFAULT_RECIPIENTS_PER_TRANSACTION,
  idleTimeoutMs: DEFAULT_IDLE_TIMEOUT_MS,
  timeouts: DEFAULT_TIMEOUTS,
  tls: { level: 'Opportunistic', mtaSTS: 'Enabled', dane: 'Disabled' },
};

/** 5m, 15m, 30m, 1h, 2h, then every 4h; given up after 72h (RFC 5321 §4.5.4.1: 4–5 days was the advice of slower times). */
export const DEFAULT_RETRY: EffectiveRetry = {
  delaysMs: [300_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000],
  expireAfterMs: 259_200_000,
};
