import type { Capabilities } from './capabilities.ts';
import { needsSmtputf8 } from './envelope-check.ts';
import type { Transaction } from './transaction.ts';

/**
 * MAIL with the parameters that the peer understands, CRLF included. The addresses have been checked.
 *
 * Example: `MAIL FROM:<a@x.example> SIZE=2048 BODY=8BITMIME\r\n`
 */
export function mailCommand(transaction: Transaction, sizeBytes: number, capabilities: Capabilities): string {
  let command = `MAIL FROM:<${transaction.sender}>`;
  if (capabilities.size) command += ` SIZE=${sizeBytes}`;
  if (transaction.eightBit) command += ' BODY=8BITMIME';
  if (capabilities.smtputf8 && needsSmtputf8(transaction)) command += ' SMTPUTF8';
  if (transaction.statusRequest !== undefined && capabilities.dsn) {
    const { ret, envelopeId } = transaction.statusRequest;
    if (ret !== '') command += ` RET=${ret}`;
    if (envelopeId !== '') command += ` ENVID=${envelopeId}`;
  }
  return `${command}\r\n`;
}

/**
 * RCPT for one of the transaction's recipients, CRLF included.
 *
 * Example: `RCPT TO:<b@y.example> NOTIFY=NEVER\r\n`
 */
export function rcptCommand(
  { recipients, statusRequest }: Transaction,
  index: number,
  capabilities: Capabilities,
): string {
  let command = `RCPT TO:<${recipients[index] ?? ''}>`;
  const asked = statusRequest?.recipients[index];
  if (asked !== undefined && capabilities.dsn) {
    if (asked.notify !== '') command += ` NOTIFY=${asked.notify}`;
    if (asked.originalRecipient !== '') command += ` ORCPT=${asked.originalRecipient}`;
  }
  return `${command}\r\n`;
}
