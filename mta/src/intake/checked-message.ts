import { newMessageId } from '../spool/mod.ts';
import type { ClientIdentity } from './client-identity.ts';
import type { Rejection } from './contract.ts';
import { buildMessage, type ReceivedMessage } from './received-message.ts';
import type { SessionContext } from './session-context.ts';
import type { Transaction } from './transaction.ts';

/** The last dot has come: the message as it is offered to `accept`, or why it is refused before anybody stores it. */
export function checkMessage(
  context: SessionContext,
  identity: ClientIdentity,
  transaction: Transaction,
): ReceivedMessage | Rejection {
  const refusal = transaction.refusal ?? context.options.pressure?.();
  if (refusal !== undefined) return refusal;
  const { data, sender } = transaction;
  const wallMs = context.wallMs();
  return buildMessage({
    id: newMessageId(wallMs),
    pieces: data.pieces,
    sizeBytes: data.sizeBytes,
    eightBit: data.eightBit,
    sender,
    recipients: transaction.recipients,
    statusRequest: transaction.statusRequest,
    askedSmtputf8: transaction.smtputf8,
    origin: identity.origin,
    wallMs,
    hostname: context.options.hostname,
    receivedHead: identity.traceHead(transaction.smtputf8),
    headerMap: context.headerMap,
    headersCount: identity.mayMapHeaders,
    resolveTenant: (header) => identity.tenantOf(sender, header),
  });
}
