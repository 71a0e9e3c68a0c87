/** DKIM: which messages are signed with which keys, and the signing itself. */
export { checkKeys } from './check-keys.ts';
export { dnsRecord, zoneLine } from './dns-record.ts';
export { parseKey, type SigningKey } from './key-file.ts';
export { KEY_RECHECK_MS, type KeyFlaw, KeyStore, type KeyStoreOptions } from './key-store.ts';
export type { MessageBytes } from './message-bytes.ts';
export { createSigner, type MissingKey, type Signer, type SignResult } from './signer.ts';
