import { NOTHING_ASKED, type RecipientStatusRequest } from '../spool/mod.ts';
import type { Rejection } from './contract.ts';
import { type PathFlaw, parsePath } from './path-syntax.ts';
import { REFUSALS } from './replies.ts';
import { isEnvelopeId, notifyOf, originalRecipientOf } from './status-parameters.ts';

/** An accepted MAIL command. */
export interface MailCommand {
  readonly sender: string;
  /** SIZE (RFC 1870), 0 = not given. */
  readonly declaredBytes: number;
  readonly smtputf8: boolean;
  /** RET (RFC 3461), `''` = not given. */
  readonly ret: 'FULL' | 'HDRS' | '';
  /** ENVID in xtext, `''` = not given. */
  readonly envelopeId: string;
}

/** An accepted RCPT command. */
export interface RcptCommand {
  readonly address: string;
  /** NOTIFY and ORCPT. */
  readonly asked: RecipientStatusRequest;
}

/** What EHLO has offered to this client. */
export interface Offered {
  /** The client said EHLO, not HELO. */
  readonly extensions: boolean;
  readonly auth: boolean;
  /** DSN (RFC 3461): RET, ENVID, NOTIFY and ORCPT are understood. */
  readonly dsn: boolean;
  readonly maxMessageBytes: number;
}

/**
 * Reads the argument of MAIL (RFC 5321 §4.1.1.2): `FROM:<path>` and the parameters SIZE, BODY, SMTPUTF8,
 * AUTH, RET and ENVID.
 *
 * Example: `parseMail('FROM:<a@b.example> SIZE=1000', offered)` → `{ sender: 'a@b.example', declaredBytes: 1000, … }`
 */
export function parseMail(argument: string, offered: Offered): MailCommand | { readonly refusal: Rejection } {
  const parts = splitPath(argument, 'FROM:');
  if (parts === undefined) return refuse(REFUSALS.badMail);
  let declaredBytes = 0;
  let smtputf8 = false;
  let ret: MailCommand['ret'] = '';
  let envelopeId = '';
  if (parts.parameters !== '') {
    const seen = new Set<string>();
    for (const parameter of parts.parameters.split(' ')) {
      if (parameter === '') continue;
      const equals = parameter.indexOf('=');
      const key = (equals === -1 ? parameter : parameter.slice(0, equals)).toUpperCase();
      const value = equals === -1 ? undefined : parameter.slice(equals + 1);
      if (!offered.extensions) return refuse(REFUSALS.unknownParameter);
      if (seen.has(key)) return refuse(REFUSALS.parameterTwice);
      seen.add(key);
      if (key === 'SIZE') {
        if (value === undefined || !/^[0-9]{1,20}$/.test(value)) return refuse(REFUSALS.badParameter);
        declaredBytes = Number(value);
      } else if (key === 'BODY') {
        if (!/^(?:7BIT|8BITMIME)$/i.test(value ?? '')) return refuse(REFUSALS.badParameter);
      } else if (key === 'SMTPUTF8') {
        if (value !== undefined) return refuse(REFUSALS.badParameter);
        smtputf8 = true;
      } else if (key === 'AUTH' && offered.auth) {
        // RFC 4954 §5: read, and not trusted.
        if (value === undefined || value === '') return refuse(REFUSALS.badParameter);
      } else if (key === 'RET' && offered.dsn) {
        const how = value?.toUpperCase();
        if (how !== 'FULL' && how !== 'HDRS') return refuse(REFUSALS.badRet);
        ret = how;
      } else if (key === 'ENVID' && offered.dsn) {
        if (value === undefined || !isEnvelopeId(value)) return refuse(REFUSALS.badEnvelopeId);
        envelopeId = value;
      } else return refuse(REFUSALS.unknownParameter);
    }
  }
  const path = parsePath(parts.path);
  if (!path.ok) return refuse(path.flaw === 'noDomain' ? REFUSALS.senderWithoutDomain : REFUSALS.badSender);
  if (path.international && !smtputf8) return refuse(REFUSALS.internationalSender);
  if (declaredBytes > offered.maxMessageBytes) return refuse(REFUSALS.tooLarge);
  return { sender: path.address, declaredBytes, smtputf8, ret, envelopeId };
}

const RECIPIENT_REFUSALS: Readonly<Record<PathFlaw, Rejection>> = {
  syntax: REFUSALS.badRecipient,
  tooLong: REFUSALS.badRecipient,
  noDomain: REFUSALS.recipientWithoutDomain,
  badDomain: REFUSALS.badRecipientDomain,
};

/** Reads the argument of RCPT (RFC 5321 §4.1.1.3): `TO:<path>` and the parameters NOTIFY and ORCPT (RFC 3461 §4). */
export function parseRcpt(
  argument: string,
  smtputf8: boolean,
  dsn: boolean,
): RcptCommand | { readonly refusal: Rejection } {
  const parts = splitPath(argument, 'TO:');
  if (parts === undefined) return refuse(REFUSALS.badRcpt);
  let asked = NOTHING_ASKED;
  if (parts.parameters !== '') {
    if (!dsn) return refuse(REFUSALS.unknownParameter);
    const read = recipientParameters(parts.parameters, smtputf8);
    if ('code' in read) return refuse(read);
    asked = read;
  }
  if (parts.path === '') return refuse(REFUSALS.badRecipient);
  const path = parsePath(parts.path);
  if (!path.ok) return refuse(RECIPIENT_REFUSALS[path.flaw]);
  if (path.international && !smtputf8) return refuse(REFUSALS.internationalRecipient);
  return { address: path.address, asked };
}

function recipientParameters(text: string, smtputf8: boolean): RecipientStatusRequest | Rejection {
  let notify: string | undefined;
  let originalRecipient: string | undefined;
  for (const parameter of text.split(' ')) {
    if (parameter === '') continue;
    const equals = parameter.indexOf('=');
    const key = (equals === -1 ? parameter : parameter.slice(0, equals)).toUpperCase();
    const value = equals === -1 ? '' : parameter.slice(equals + 1);
    if (key === 'NOTIFY') {
      if (notify !== undefined) return REFUSALS.parameterTwice;
      const read = notifyOf(value);
      if (typeof read !== 'string') return read;
      notify = read;
    } else if (key === 'ORCPT') {
      if (originalRecipient !== undefined) return REFUSALS.parameterTwice;
      const read = originalRecipientOf(value, smtputf8);
      if (typeof read !== 'string') return read;
      originalRecipient = read;
    } else return REFUSALS.unknownParameter;
  }
  return { notify: notify ?? '', originalRecipient: originalRecipient ?? '' };
}

/** `FROM:<path> parameters` in its two parts. A blank behind the colon is taken, as everybody does. A quoted local part may hold `>`. */
function splitPath(
  argument: string,
  keyword: string,
): { readonly path: string; readonly parameters: string } | undefined {
  if (argument.length < keyword.length || argument.slice(0, keyword.length).toUpperCase() !== keyword) {
    return undefined;
  }
  let start = keyword.length;
  while (argument[start] === ' ') start++;
  if (argument[start] !== '<') return undefined;
  let end = argument.indexOf('>', start);
  const quote = argument.indexOf('"', start);
  if (quote !== -1 && quote < end) {
    const quoted = /"(?:[^"\\]|\\.)*"/y;
    quoted.lastIndex = quote;
    if (!quoted.test(argument)) return undefined;
    end = argument.indexOf('>', quoted.lastIndex);
  }
  if (end === -1) return undefined;
  const rest = argument.slice(end + 1);
  if (rest !== '' && rest[0] !== ' ') return undefined;
  return { path: argument.slice(start + 1, end), parameters: rest.trim() };
}

function refuse(refusal: Rejection): { readonly refusal: Rejection } {
  return { refusal };
}
