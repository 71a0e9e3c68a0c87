import type { Rejection } from './contract.ts';

/** A reply of the listener and when it is given; `{…}` in a text is filled in. */
export interface ReplyDefinition extends Rejection {
  readonly when: string;
}

function reply(code: number, enhanced: string, text: string, when: string): ReplyDefinition {
  return { code, enhanced, text, when };
}

/** Every refusal of the SMTP listener in one table; docs/reference/smtp-replies.md is generated from it. */
export const REFUSALS = {
  shuttingDown: reply(
    421,
    '4.3.2',
    'Shutting down, try again or another host',
    'The listener is being closed: at once to idle clients, after the reply to its message to a busy one, after 2 s of silence in any case.',
  ),
  tooManyConnections: reply(
    421,
    '4.3.2',
    'Too many connections',
    'At the greeting: `maxConnections` are open.',
  ),
  tooManyFromClient: reply(
    421,
    '4.7.0',
    'Too many connections from your address',
    'At the greeting: `maxConnectionsPerClient` are open from this address.',
  ),
  commandTimeout: reply(
    421,
    '4.4.2',
    'Timed out waiting for a command',
    'No command for `idleTimeout`, or one that was begun and not finished within `commandTimeout`.',
  ),
  dataTimeout: reply(
    421,
    '4.4.2',
    'Timed out receiving the message',
    'Nothing within `commandTimeout`, or no end of the message within `dataTotalTimeoutMs`. Nothing is stored.',
  ),
  tooManyMessages: reply(
    421,
    '4.7.0',
    'Too many messages in this session, open another one',
    'At MAIL: `maxMessagesPerConnection` were handed in.',
  ),
  tooManyErrors: reply(
    421,
    '4.7.0',
    'Too many errors',
    'After `maxErrors` refused or senseless commands of one session.',
  ),
  notSmtp: reply(421, '4.7.0', 'This is an SMTP server', 'An HTTP request.'),
  commandTooLong: reply(500, '5.5.2', 'Line too long', 'A command line longer than `MAX_COMMAND_BYTES`.'),
  bareCommand: reply(
    500,
    '5.5.2',
    'A line must end in CRLF and contain no other CR, LF or NUL',
    'A command line with a bare CR or LF or a NUL (a bare LF at its end is allowed under `Normalize`).',
  ),
  notUtf8: reply(
    500,
    '5.5.2',
    'A line must be valid UTF-8',
    'A command line with octets above 127 that are no UTF-8.',
  ),
  unknownCommand: reply(500, '5.5.2', 'Command not recognized', 'Unknown command.'),
  notImplemented: reply(502, '5.5.1', 'Command not implemented', 'EXPN, TURN, ETRN.'),
  badHello: reply(
    501,
    '5.5.4',
    'Say a domain or an address literal',
    'EHLO or HELO with no name, or one that cannot be a domain or literal.',
  ),
  noParameters: reply(
    501,
    '5.5.4',
    'No parameters allowed',
    'STARTTLS, DATA, RSET or QUIT with an argument.',
  ),
  badMail: reply(501, '5.5.4', 'Syntax: MAIL FROM:<address>', 'MAIL that is not of this form.'),
  badRcpt: reply(501, '5.5.4', 'Syntax: RCPT TO:<address>', 'RCPT that is not of this form.'),
  badParameter: reply(
    501,
    '5.5.4',
    'Bad value of a parameter',
    'A parameter of MAIL has a value that it cannot have.',
  ),
  badRet: reply(501, '5.5.4', 'RET must be FULL or HDRS', 'RFC 3461 §4.3.'),
  badEnvelopeId: reply(
    501,
    '5.5.4',
    'ENVID must be at most 100 characters of xtext that stand for printable ASCII',
    'RFC 3461 §4.4.',
  ),
  badNotify: reply(
    501,
    '5.5.4',
    'NOTIFY must be NEVER, or SUCCESS, FAILURE and DELAY with commas, each once',
    'RFC 3461 §4.1.',
  ),
  notifyNever: reply(
    501,
    '5.5.4',
    'NOTIFY=NEVER excludes SUCCESS, FAILURE and DELAY',
    'RFC 3461 §4.1: NEVER together with another value.',
  ),
  badOriginalRecipient: reply(
    501,
    '5.5.4',
    'ORCPT must be an address type, a semicolon and an address in xtext, at most 500 characters',
    'RFC 3461 §4.2, for the type `utf-8` RFC 6533 §3; characters beyond ASCII only under SMTPUTF8.',
  ),
  parameterTwice: reply(501, '5.5.4', 'A parameter is there twice', 'MAIL or RCPT.'),
  unknownParameter: reply(
    555,
    '5.5.4',
    'Parameter not recognized or not implemented',
    'A parameter of MAIL or RCPT that EHLO did not offer.',
  ),
  sayHello: reply(
    503,
    '5.5.1',
    'Send EHLO first',
    'MAIL or AUTH before EHLO or HELO; BDAT and AUTH after HELO.',
  ),
  nestedMail: reply(503, '5.5.1', 'Sender already given', 'MAIL, AUTH or STARTTLS inside a transaction.'),
  needMail: reply(
    503,
    '5.5.1',
    'Send MAIL first',
    'RCPT, DATA or BDAT without an accepted MAIL, or after a refused BDAT.',
  ),
  needRcpt: reply(
    503,
    '5.5.1',
    'No valid recipients',
    'DATA or BDAT without an accepted RCPT; the octets of the BDAT are read and dropped.',
  ),
  badBdat: reply(
    501,
    '5.5.4',
    'Syntax: BDAT octets [LAST]',
    'BDAT without a number of octets. The session ends: what follows could not be told from commands.',
  ),
  insideChunks: reply(
    503,
    '5.5.1',
    'Send BDAT with LAST, or RSET',
    'RCPT or DATA between the chunks of a message (RFC 3030 §2).',
  ),
  badSender: reply(
    501,
    '5.1.7',
    'Bad syntax of the sender address',
    'A reverse-path that RFC 5321 §4.1.2 does not allow, too long, or with a broken domain.',
  ),
  senderWithoutDomain: reply(
    501,
    '5.1.7',
    'The sender address needs a domain',
    'A reverse-path without a domain that is not `<>`.',
  ),
  badRecipient: reply(
    501,
    '5.1.3',
    'Bad syntax of the recipient address',
    'A forward-path that RFC 5321 §4.1.2 does not allow, or too long; `<>`.',
  ),
  recipientWithoutDomain: reply(
    553,
    '5.1.3',
    'The recipient address needs a domain',
    'A forward-path without a domain, `<postmaster>` included: there are no local mailboxes.',
  ),
  badRecipientDomain: reply(
    553,
    '5.1.3',
    'The domain of the recipient address is not a valid one',
    'A forward-path whose domain cannot exist.',
  ),
  internationalSender: reply(
    550,
    '5.6.7',
    'A sender address beyond ASCII needs SMTPUTF8',
    'RFC 6531 §3.5: MAIL without SMTPUTF8 with such an address.',
  ),
  internationalRecipient: reply(
    553,
    '5.6.7',
    'A recipient address beyond ASCII needs SMTPUTF8',
    'RFC 6531 §3.5: RCPT with such an address in a transaction without SMTPUTF8.',
  ),
  relayDenied: reply(
    550,
    '5.7.1',
    'Relaying denied',
    'RCPT from a client that is neither authenticated nor in `relayNetworks`.',
  ),
  tooManyRecipients: reply(
    452,
    '4.5.3',
    'Too many recipients',
    'RCPT beyond `maxRecipients`; those before it stand.',
  ),
  tooLarge: reply(
    552,
    '5.3.4',
    'Message size exceeds the limit',
    'MAIL with a SIZE above `maxMessageBytes`, or a message that turned out larger. The session goes on.',
  ),
  memory: reply(
    452,
    '4.3.1',
    'Insufficient memory for more messages now',
    'MAIL while messages of `maxReceivingBytes` × 3/4 are being received; the end of a message that went over `maxReceivingBytes`.',
  ),
  bareLf: reply(
    550,
    '5.6.11',
    'Bare LF in the message (lines end in CRLF)',
    'The message has an LF without a CR before it. Not under `Normalize`.',
  ),
  bareCr: reply(
    550,
    '5.6.11',
    'Bare CR in the message (lines end in CRLF)',
    'The message has a CR without an LF behind it. Not under `Normalize`.',
  ),
  nul: reply(
    550,
    '5.6.11',
    'NUL in the message',
    'The message has a NUL octet (RFC 5321 §4.5.2, RFC 5322 §4).',
  ),
  longLine: reply(550, '5.6.0', 'Line of more than 998 octets in the message', 'RFC 5321 §4.5.3.1.6.'),
  headerTooLarge: reply(
    550,
    '5.6.0',
    'Header section too large',
    'More than `MAX_HEADER_BYTES` before the empty line.',
  ),
  tooManyFields: reply(550, '5.6.0', 'Too many header fields', 'More than `MAX_HEADER_FIELDS`.'),
  badMappedValue: reply(
    550,
    '5.6.0',
    'Value of a tenant, campaign or class header field is too long',
    'More than `MAX_MAPPED_VALUE` characters.',
  ),
  mailLoop: reply(
    554,
    '5.4.6',
    'Mail loop: too many Received fields',
    'More than `MAX_RECEIVED_FIELDS` (RFC 5321 §6.3).',
  ),
  internalError: reply(
    451,
    '4.3.0',
    'Internal error, try again later',
    'A bug or broken I/O while the message was being accepted; the log has the cause.',
  ),
  tlsUnavailable: reply(
    502,
    '5.5.1',
    'STARTTLS is not available',
    'STARTTLS where no key is configured, or under TLS.',
  ),
  pipelinedStartTls: reply(
    503,
    '5.5.1',
    'Nothing may follow STARTTLS before the handshake',
    'RFC 3207 §4.2: what was sent in the clear must not be read as if it were encrypted. The session ends.',
  ),
  authUnavailable: reply(502, '5.5.1', 'AUTH is not available', 'AUTH where no users are configured.'),
  authNeedsTls: reply(
    538,
    '5.7.11',
    'Encryption required for authentication',
    'RFC 4954 §6: AUTH in the clear.',
  ),
  authMechanism: reply(504, '5.5.4', 'Mechanism not supported', 'Another mechanism than PLAIN and LOGIN.'),
  authTwice: reply(503, '5.5.1', 'Already authenticated', 'A second AUTH.'),
  authSyntax: reply(
    501,
    '5.5.2',
    'Cannot decode the response',
    'Not the base64 of what the mechanism asks for.',
  ),
  authCancelled: reply(501, '5.7.0', 'Authentication cancelled', 'The client sent `*`.'),
  authUndecided: reply(
    454,
    '4.7.0',
    'Temporary authentication failure',
    'RFC 4954 §6: the password could not be checked; the log has the cause.',
  ),
  authFailed: reply(
    535,
    '5.7.8',
    'Authentication credentials invalid',
    'Wrong name or password; both cost the same time.',
  ),
} as const satisfies Record<string, ReplyDefinition>;

/** What a session says when all is well; `{}` is filled in. */
export const SUCCESSES = {
  greeting: { line: '220 {} ESMTP Sluice', when: 'At the start.' },
  bye: { line: '221 2.0.0 Bye', when: 'QUIT.' },
  startTls: { line: '220 2.0.0 Ready to start TLS', when: 'STARTTLS.' },
  authenticated: { line: '235 2.7.0 Authentication successful', when: 'AUTH.' },
  queued: { line: '250 2.0.0 queued as {}', when: 'The message is durable.' },
  sender: { line: '250 2.1.0 Sender OK', when: 'MAIL.' },
  recipient: {
    line: '250 2.1.5 Recipient OK',
    when: 'RCPT; once more for an address that was given already.',
  },
  ok: { line: '250 2.0.0 OK', when: 'RSET, NOOP.' },
  help: { line: '214 2.0.0 See RFC 5321', when: 'HELP.' },
  verify: { line: '252 2.1.5 Cannot verify, will accept mail and try', when: 'VRFY.' },
  challenge: { line: '334 {}', when: 'AUTH waits for a response.' },
  chunk: { line: '250 2.0.0 {} octets received', when: 'BDAT without LAST.' },
  data: { line: '354 End data with <CR><LF>.<CR><LF>', when: 'DATA.' },
} as const;

/** A line of {@link SUCCESSES} as it goes over the wire. */
export function successLine(name: keyof typeof SUCCESSES, value = ''): string {
  return `${SUCCESSES[name].line.replace('{}', value)}\r\n`;
}

/** Characters of a reply's text that are sent: a line is at most 512 octets (RFC 5321 §4.5.3.1.5). */
const MAX_REPLY_TEXT_SENT = 480;

/** One reply as it goes over the wire. A text that came from elsewhere cannot break out of its line. */
export function replyLine(reply: Rejection): string {
  const text = reply.text.slice(0, MAX_REPLY_TEXT_SENT).replace(/[^ -~]/g, '?');
  return `${reply.code} ${reply.enhanced === '' ? '' : `${reply.enhanced} `}${text}\r\n`;
}
