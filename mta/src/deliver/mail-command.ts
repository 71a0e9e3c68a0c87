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
  return `${command}\r\n`;
}

/** `RCPT TO:<b@y.example>\r\n` */
export function rcptCommand(recipient: string): string {
  return `RCPT TO:<${recipient}>\r\n`;
}
