/** What follows an atom and lets it be absent, or a counted repetition. */
const REPEAT = /^\{[0-9]+(?:,[0-9]*)?\}/;
/** No atom, only a setting for what follows. */
const FLAGS = /^\(\?[A-Za-z-]+\)/;
const PUNCTUATION = /[!-/:-@[-`{-~]/;

/**
 * Texts of which every match of an RE2 expression contains at least one, in the spelling of {@link foldCase}: of each alternative the
 * longest that is easy to see, nothing where one has none. To look for them first spares most runs of the expression: re2js has the
 * same idea, but not where case is ignored.
 *
 * It errs on the side of nothing: groups, classes, escapes with a meaning and letters beyond ASCII end a literal.
 *
 * Example: `requiredLiterals('\\[(TSS?04)\\] Messages? from|slow down')` → `['] message', 'slow down']`
 *
 * @param expression one that re2js compiles
 */
export function requiredLiterals(expression: string): readonly string[] {
  if (expression.includes('\\Q')) return NONE;
  const literals: string[] = [];
  let longest = '';
  let run = '';
  const endRun = (): void => {
    if (run.length > longest.length) longest = run;
    run = '';
  };
  for (let at = 0; at < expression.length; ) {
    const char = expression[at] ?? '';
    switch (char) {
      case '|':
        endRun();
        if (longest === '') return NONE;
        literals.push(foldCase(longest));
        longest = '';
        at++;
        break;
      case '\\': {
        const escaped = expression[at + 1] ?? '';
        if (/[xpP0-7]/.test(escaped)) return NONE;
        if (PUNCTUATION.test(escaped)) run += escaped;
        else endRun();
        at += 2;
        break;
      }
      case '*':
      case '?':
        run = run.slice(0, -1);
        endRun();
        at++;
        break;
      case '{': {
        const repeat = REPEAT.exec(expression.slice(at))?.[0] ?? '{';
        run = run.slice(0, -1);
        endRun();
        at += repeat.length;
        break;
      }
      case '+':
      case '.':
      case '^':
      case '$':
        endRun();
        at++;
        break;
      case '[':
        endRun();
        at = endOfClass(expression, at);
        break;
      case '(':
        // A repetition behind flags is about whatever stands before them.
        if (at > 0 && FLAGS.test(expression.slice(at))) return NONE;
        endRun();
        at = endOfGroup(expression, at);
        break;
      default:
        if (char >= ' ' && char <= '~') run += char;
        else endRun();
        at++;
    }
  }
  endRun();
  if (longest === '') return NONE;
  literals.push(foldCase(longest));
  return literals;
}

const NONE: readonly string[] = [];

/**
 * The spelling in which texts are searched for literals. Of the letters beyond ASCII two are a case of an ASCII letter: the Kelvin
 * sign, which lower case turns into k, and the long s, which it leaves alone.
 */
export function foldCase(text: string): string {
  const lower = text.toLowerCase();
  return lower.includes('\u017f') ? lower.replaceAll('\u017f', 's') : lower;
}

/** Index behind the class `[…]` that begins at `start`; a `]` that comes first is a member. */
function endOfClass(expression: string, start: number): number {
  let at = start + 1;
  if (expression[at] === '^') at++;
  if (expression[at] === ']') at++;
  while (at < expression.length && expression[at] !== ']') {
    const named = expression.startsWith('[:', at) ? expression.indexOf(':]', at + 2) : -1;
    if (named >= 0) at = named + 2;
    else at += expression[at] === '\\' ? 2 : 1;
  }
  return at + 1;
}

/** Index behind the group `(…)` that begins at `start`. */
function endOfGroup(expression: string, start: number): number {
  let depth = 0;
  for (let at = start; at < expression.length; ) {
    const char = expression[at];
    if (char === '[') {
      at = endOfClass(expression, at);
      continue;
    }
    if (char === '(') depth++;
    if (char === ')' && --depth === 0) return at + 1;
    at += char === '\\' ? 2 : 1;
  }
  return expression.length;
}
