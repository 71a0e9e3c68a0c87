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

/** RFC 6533 §3: what stands for itself in a `utf-8` address of ORCPT, and the form of every other character. */
const UTF8_PLAIN = /[!-*,-<>-[\]-~]/;
const UTF8_ADDRESS = /^(?:[!-*,-<>-[\]-~]|\\x\{[0-9A-F]{1,6}\})+$/;
const EMBEDDED = /\\x\{([0-9A-F]{1,6})\}/g;

/** An address of type `utf-8` in ASCII (RFC 6533 §3). Example: `ü@x.example` → `\x{FC}@x.example` */
export function encodeUtf8Address(address: string): string {
  let text = '';
  for (const character of address) {
    const code = character.codePointAt(0) ?? 0;
    text += UTF8_PLAIN.test(character) ? character : `\\x{${code.toString(16).toUpperCase()}}`;
  }
  return text;
}

/** The address behind {@link encodeUtf8Address}, or `undefined` when it is none. */
export function decodeUtf8Address(text: string): string | undefined {
  if (!UTF8_ADDRESS.test(text)) return undefined;
  const address = text.replace(EMBEDDED, (_, hex: string) => {
    const code = Number.parseInt(hex, 16);
    return code > 0x10ffff ? '\u0000' : String.fromCodePoint(code);
  });
  return address.isWellFormed() ? address : undefined;
}

/**
 * Address type and address of an ORCPT.
 *
 * Example: `rfc822;a+2Bb@x.example` → `{ type: 'rfc822', address: 'a+b@x.example' }`
 */
export function originalRecipientOf(
  orcpt: string,
): { readonly type: string; readonly address: string } | undefined {
  const semicolon = orcpt.indexOf(';');
  if (semicolon < 1) return undefined;
  const type = orcpt.slice(0, semicolon);
  const text = orcpt.slice(semicolon + 1);
  const address = type.toLowerCase() === 'utf-8' ? decodeUtf8Address(text) : decodeXtext(text);
  return address === undefined ? undefined : { type, address };
}
