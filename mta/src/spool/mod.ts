/** The spool: where accepted mail lives until its last recipient has a final outcome. */
export type { Cluster, ClusterCounts, PodSessionView } from './cluster.ts';
export {
  type DeliveryStatusRequest,
  decodeXtext,
  encodeUtf8Address,
  encodeXtext,
  NOTHING_ASKED,
  originalRecipientOf,
  type RecipientStatusRequest,
} from './delivery-status-request.ts';
export type { Envelope, MessageBody } from './envelope.ts';
export { idCheck } from './id-check.ts';
export type { ConnectionHooks, NatsCredentials, NatsOptions, NatsTls } from './jetstream/connection.ts';
export { Layout } from './jetstream/layout.ts';
export { podPermissions } from './jetstream/permissions.ts';
export type { Membership } from './membership.ts';
export { derivedMessageId, newMessageId } from './message-id.ts';
export { type JetStreamSpoolOptions, openJetStreamSpool, type SharedSpool } from './open-jetstream-spool.ts';
export { openNats, whileNatsSettles } from './open-nats.ts';
export {
  domainOf,
  type GroupState,
  type OwedReport,
  type RecipientGroup,
  recipientGroups,
} from './recipient-group.ts';
export { MAX_REPLY_TEXT, type Reply } from './reply.ts';
export {
  decodeBatch,
  type JournalBatch,
  type JournalRecord,
  type UnreadableBatch,
} from './segment/journal-record.ts';
export {
  type Clocks,
  OwnSession,
  RENEW_EVERY_MS,
  RENEW_WHILE_SUSPECTING_MS,
} from './segment/own-session.ts';
export { SESSION_HISTORY, SessionWatch } from './segment/session-watch.ts';
export type { AppendRefusal, Outcome, Reference, Spool, SpoolUsage, StoredMessage } from './spool.ts';
export type { PartEnd, SpoolListener } from './spool-listener.ts';
export { openSqliteSpool, type SqliteSpoolOptions } from './sqlite-spool.ts';
