import type { StructuralSchema } from './structural-schema.ts';
import { structuralNodes } from './structural-walk.ts';

/**
 * What the API server lets rules cost, in its own units, by its estimate for the largest resource that the schema allows. A CRD
 * above it is refused as a whole (`apiextensions-apiserver`, `validation.go`: StaticEstimatedCostLimit and the one for a CRD).
 */
export const MAX_RULE_COST = 10_000_000;
export const MAX_DEFINITION_COST = 100_000_000;

/** Reading a text costs a tenth per character, matching an expression a quarter per character of it. */
const COST_PER_CHARACTER = 0.1;
const COST_PER_EXPRESSION_CHARACTER = 0.25;
/** Calling a macro's body costs this much beside the body. */
const COST_PER_ROUND = 4;

export interface RuleCost {
  readonly path: string;
  readonly rule: string;
  readonly cost: number;
}

/** Estimated cost of every rule of a schema: of one evaluation, times how often its place can be there. */
export function ruleCosts(root: StructuralSchema): readonly RuleCost[] {
  return [...structuralNodes(root)].flatMap(({ path, schema, cardinality }) =>
    (schema['x-kubernetes-validations'] ?? []).map(({ rule }) => ({
      path,
      rule,
      cost: Math.ceil(expressionCost(rule, schema)) * cardinality,
    })),
  );
}

/**
 * Cost of one evaluation, never less than the API server's estimate for what our rules use: `has`, comparisons, `in`, `all`,
 * `isIP`, `duration`, `matches`. No branch is thought to be skipped.
 */
export function expressionCost(expression: string, self: StructuralSchema): number {
  const macro = /([\w.]+)\.all\((\w+), /.exec(expression);
  if (macro !== null) {
    const [head, list = '', variable = ''] = macro;
    const bodyAt = macro.index + head.length;
    const end = closing(expression, bodyAt);
    const schema = memberAt(self, list);
    const rounds = schema?.maxItems ?? Number.POSITIVE_INFINITY;
    const body = expression.slice(bodyAt, end).replaceAll(`${variable}.`, 'self.');
    const rest = `${expression.slice(0, macro.index)}${list}${expression.slice(end + 1)}`;
    return rounds * (expressionCost(body, schema?.items ?? {}) + COST_PER_ROUND) + expressionCost(rest, self);
  }
  const tokens = expression.match(/'[^']*'|[\w.]+|[=!<>|&]+/g) ?? [];
  const steps = tokens.reduce((sum, token) => sum + token.split('.').length, 0);
  const lists = [...expression.matchAll(/ in ([\w.]+)/g)].map(([, list = '']) => memberAt(self, list));
  const search = lists.reduce(
    (sum, list) => sum + (list?.maxItems ?? Number.POSITIVE_INFINITY) * (1 + textCost(list?.items)),
    0,
  );
  const reads = (expression.match(/==|!=|isIP\(|duration\(self/g) ?? []).length * longestText(self);
  const matches = [...expression.matchAll(/matches\(r'([^']*)'\)/g)].reduce(
    (sum, [, pattern = '']) =>
      sum + (1 + longestText(self)) * (1 + pattern.length * COST_PER_EXPRESSION_CHARACTER),
    0,
  );
  return steps + search + reads + matches;
}

/** Of the texts that a rule at this place can compare, the dearest one: its own, or a direct member's. */
function longestText(schema: StructuralSchema): number {
  const candidates = schema.properties === undefined ? [schema] : Object.values(schema.properties);
  const texts = candidates.filter((node) => node.type === 'string' || node['x-kubernetes-int-or-string']);
  return Math.max(0, ...texts.map(textCost));
}

function textCost(schema: StructuralSchema | undefined): number {
  const lengths = schema?.enum?.map((value) => value.length) ?? [schema?.maxLength ?? 1_024];
  return Math.max(...lengths) * COST_PER_CHARACTER;
}

/** The schema of `self.a.b`; `undefined` = there is no such field. */
export function memberAt(self: StructuralSchema, path: string): StructuralSchema | undefined {
  const [, ...names] = path.split('.');
  return names.reduce<StructuralSchema | undefined>((schema, name) => schema?.properties?.[name], self);
}

function closing(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === '(') depth++;
    if (text[at] === ')' && --depth === 0) return at;
  }
  throw new TypeError(`a parenthesis is not closed in ${text}`);
}
