/**
 * What the sender asked about reports (RFC 3461), as it goes with the message: to the next host, and into the reports that
 * Sluice writes itself. Values are kept in the form of the wire, so that they are passed on unchanged.
 */
export interface DeliveryStatusRequest {
  /** RET: how much of the message a failed report returns; `''` = not said. */
  readonly ret: 'FULL' | 'HDRS' | '';
  /** ENVID in xtext, `''` = none. */
  readonly envelopeId: string;
  /** One for each of {@link Envelope.recipients}, in their order. */
  readonly recipients: readonly RecipientStatusRequest[];
}

/** What was asked about one recipient. */
export interface RecipientStatusRequest {
  /** NOTIFY in upper case: `NEVER`, or some of `SUCCESS,FAILURE,DELAY`; `''` = not said. */
  readonly notify: string;
  /** ORCPT: address type, `;`, address in xtext (RFC 6533 §3 for `utf-8`), ASCII; `''` = none. */
  readonly originalRecipient: string;
}

export const NOTHING_ASKED: RecipientStatusRequest = { notify: '', originalRecipient: '' };

/** RFC 3461 §4: `+` and two hexadecimal digits stand for a character; `+`, `=`, blanks and controls do not stand for themselves. */
const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/;
const HEXCHAR = /\+([0-9A-F]{2})/g;

/**
 * The text that xtext stands for, or `undefined` when it is no xtext.
 *
 * Example: `decodeXtext('a+2Bb')` → `a+b`
 */
export function decodeXtext(xtext: string): string | undefined {
  if (!XTEXT.test(xtext)) return undefined;
  if (!xtext.includes('+')) return xtext;
  return xtext.replace(HEXCHAR, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** ASCII text as xtext. Example: `encodeXtext('a+b')` → `a+2Bb` */
export function encodeXtext(text: string): string {
  return text.replace(
    /[^!-*,-<>-~]/g,
    (character) => `+${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
