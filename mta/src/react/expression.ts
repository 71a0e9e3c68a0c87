import { RE2JS, RE2JSSyntaxException } from 're2js';
import { ExpressionSet } from './expression-set.ts';
import { requiredLiterals } from './required-literals.ts';

/** What is wrong with an expression. */
export interface ExpressionProblem {
  /** Where, in characters from 1. */
  readonly column: number;
  /** In the words of RE2: `missing closing ]`. */
  readonly reason: string;
}

export interface Expression {
  readonly re2: RE2JS;
  /** At least one is in every text that matches; none = nothing is known. See `requiredLiterals`. */
  readonly literals: readonly string[];
}

/**
 * Compiled expressions by their text. Policies of a thousand destinations inherit the same reactions from the widest layer; with a
 * store in common each expression is compiled and kept once. It lives as long as one configuration.
 */
export class ExpressionStore {
  readonly #known = new Map<string, Expression | ExpressionProblem>();
  readonly #sets = new Map<string, ExpressionSet>();

  /** RE2 syntax, unanchored, ignores case; takes linear time in the length of the text. */
  compile(text: string): Expression | ExpressionProblem {
    let known = this.#known.get(text);
    if (known === undefined) {
      known = compiled(text);
      this.#known.set(text, known);
    }
    return known;
  }

  /** One set for those expressions, also where several policies have the same. */
  setOf(expressions: readonly string[]): ExpressionSet {
    const key = JSON.stringify(expressions);
    const known = this.#sets.get(key) ?? new ExpressionSet(expressions);
    this.#sets.set(key, known);
    return known;
  }
}

function compiled(text: string): Expression | ExpressionProblem {
  try {
    return { re2: RE2JS.compile(text, RE2JS.CASE_INSENSITIVE), literals: requiredLiterals(text) };
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) return problemIn(text, error);
    throw error;
  }
}

/** RE2 quotes the part that it stumbled over. A group that stays open is quoted whole, so its place is looked for here. */
function problemIn(text: string, error: RE2JSSyntaxException): ExpressionProblem {
  const quoted = error.getPattern() ?? '';
  const reason = error.getDescription();
  const at = reason === 'missing closing )' ? openGroup(text) : text.indexOf(quoted);
  return { column: Math.max(0, at) + 1, reason };
}

/** Index of the last `(` that nothing closes. */
function openGroup(text: string): number {
  const open: number[] = [];
  let inClass = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '\\') at++;
    else if (inClass) inClass = char !== ']';
    else if (char === '[') inClass = true;
    else if (char === '(') open.push(at);
    else if (char === ')') open.pop();
  }
  return open.at(-1) ?? -1;
}
