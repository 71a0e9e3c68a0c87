import { RE2JS } from 're2js';

/** `match` of a reaction, without its phases. */
export interface ReplyMatch {
  codes?: number[];
  enhancedCodes?: string[];
  text?: string;
}

const MAX_EXPRESSION_LENGTH = 512;
/** Before the text of a reply other systems see its code, and we do not: it is a member of its own. */
const CODES = /^\^?(?:\((?:\?:)?([45][0-9]{2}(?:\|[45][0-9]{2})*)\)|([45][0-9]{2}))(?![0-9])/;
const GAP = /^(?: |-|\.\*\??|\\s[+*]?|\\ |\[ -\]|\[- \])+/;
const ENHANCED = /^([45])\\?\.([0-9]{1,3})\\?\.([0-9]{1,3})(?![0-9])/;

/**
 * What an expression on a whole reply line (`421 4.7.28 text`) says about code, enhanced code and text.
 * A sentence instead of a match says why it cannot be said.
 *
 * Example: `replyMatch('^421.*4\\.7\\.28 unusual rate')` →
 * `{ codes: [421], enhancedCodes: ['4.7.28'], text: 'unusual rate' }`
 */
export function replyMatch(expression: string): ReplyMatch | string {
  const match: ReplyMatch = {};
  let rest = expression;
  const [head, several, one] = CODES.exec(rest) ?? [];
  if (head !== undefined) {
    if (hasAlternatives(expression))
      return 'its alternatives name different reply codes; write one reaction each';
    match.codes = [...new Set((several ?? one ?? '').split('|').map(Number))];
    rest = rest.slice(head.length).replace(GAP, '');
  } else if (!hasAlternatives(expression)) rest = rest.replace(/^\^(?=[45]\\?\.)/, '');
  const [enhanced, first, second, third] = hasAlternatives(expression) ? [] : (ENHANCED.exec(rest) ?? []);
  if (enhanced !== undefined) {
    match.enhancedCodes = [`${first}.${second}.${third}`];
    rest = rest.slice(enhanced.length).replace(GAP, '');
  }
  rest = rest.replace(/^(\.\*\??)+$/, '');
  if (rest !== '') match.text = rest;
  if (rest.length > MAX_EXPRESSION_LENGTH) return `it is longer than ${MAX_EXPRESSION_LENGTH} characters`;
  if (/^[*+?{]/.test(rest)) return 'it repeats a part of the reply code';
  if (rest === '' && match.codes === undefined && match.enhancedCodes === undefined)
    return 'it fits every reply';
  try {
    RE2JS.compile(rest);
  } catch (error) {
    return `it is no RE2 expression (no look-around, no back references): ${error instanceof Error ? error.message : String(error)}`;
  }
  return match;
}

/** Whether what is left of the expression still asks for a reply code, which the text does not contain. */
export function asksForCode(match: ReplyMatch): boolean {
  return /(?:^|[(|^])[45][0-9]{2}(?:[ -]|\\s|\.\*|[|)])/.test(match.text ?? '');
}

/** Whether a `|` stands outside of all groups and classes. */
function hasAlternatives(expression: string): boolean {
  let depth = 0;
  for (let at = 0; at < expression.length; at++) {
    const char = expression[at];
    if (char === '\\') at++;
    else if (char === '(' || char === '[') depth++;
    else if (char === ')' || char === ']') depth--;
    else if (char === '|' && depth <= 0) return true;
  }
  return false;
}
