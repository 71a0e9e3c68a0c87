/** Speaks SMTP to the hosts that take mail: sessions and transactions, each with an outcome per recipient. */
export { type CertificateFiles, type CertificateReport, ClientCertificates } from './client-certificates.ts';
export { CLOSE_LIMIT_MS, DESTROY_GRACE_MS } from './connection.ts';
export { type ClientSetting, createOpenSession } from './open-session.ts';
export type { Phase } from './phase.ts';
export type { OpenSession, Session, SessionOptions, SessionTls } from './session.ts';
export type { SessionFailure } from './session-failure.ts';
export type { RecipientResult, Transaction, TransactionResult } from './transaction.ts';
