import type { Bounds, Rate } from '@sluice/crds';
import type { Directive, DirectiveType } from './directive.ts';
import { nextStepAtMs, scaledCount, scaledRate, shareAt } from './scale.ts';
import { type SelectorFacts, type SelectorField, selectorFields, selects } from './selector.ts';

type EffectOf<T extends DirectiveType> = Extract<Directive['effect'], { readonly type: T }>;

/** Directives that choose by the same fields, by the values of those fields. */
interface Choice {
  readonly fields: readonly SelectorField[];
  readonly byValues: Map<string, Directive[]>;
}

/**
 * The directives in force at a moment. Never changes: when one comes, goes or reaches its time there is a new set, so what was derived
 * from one may be kept as long as the set.
 *
 * Example: `new DirectiveSet(all, nowMs).find('Suspend', { sourceAddress: '192.0.2.10', site: 'mx.example' })`
 */
export class DirectiveSet {
  static readonly EMPTY = new DirectiveSet([], 0);
  /** In the order of their ids. */
  readonly directives: readonly Directive[];
  readonly atMs: number;
  readonly #byId = new Map<string, Directive>();
  readonly #byType = new Map<DirectiveType, Choice[]>();
  readonly #byLimit = new Map<string, Directive[]>();

  constructor(directives: readonly Directive[], nowMs: number) {
    this.atMs = nowMs;
    this.directives = directives
      .filter(({ expiresAtMs }) => expiresAtMs === 0 || expiresAtMs > nowMs)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
    for (const directive of this.directives) this.#index(directive);
  }

  get(id: string): Directive | undefined {
    return this.#byId.get(id);
  }

  /** Wall time at which the set is another one by time alone; `undefined` = never. */
  nextChangeAtMs(): number | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const { effect, createdAtMs, expiresAtMs } of this.directives) {
      if (expiresAtMs > 0) next = Math.min(next, expiresAtMs);
      if (effect.type !== 'Scale') continue;
      next = Math.min(next, nextStepAtMs({ ...effect, createdAtMs }, this.atMs) ?? next);
    }
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  /**
   * The first directive of the type that chooses these facts. `fields` narrows the question: only selectors whose fields are all among
   * them are looked at, so that a lane can ask what holds for all of its mail.
   */
  find(
    type: DirectiveType,
    facts: SelectorFacts,
    fields?: ReadonlySet<SelectorField>,
  ): Directive | undefined {
    for (const choice of this.#byType.get(type) ?? []) {
      if (fields !== undefined && !choice.fields.every((field) => fields.has(field))) continue;
      for (const values of valuesOf(choice.fields, facts)) {
        const [found] = choice.byValues.get(values) ?? [];
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** Whether some selector of the type names a field beyond those. */
  asksBeyond(type: DirectiveType, fields: ReadonlySet<SelectorField>): boolean {
    return (this.#byType.get(type) ?? []).some((choice) => choice.fields.some((field) => !fields.has(field)));
  }

  /** The bounds of a limit for these facts: what reactions set, then their shares, then what an operator says. */
  boundsOf(limitName: string, facts: SelectorFacts, bounds: Bounds): Bounds {
    const named = this.#byLimit.get(limitName);
    if (named === undefined) return bounds;
    const chosen = named.filter(({ selector }) => selects(selector, facts));
    let result = bounds;
    for (const { effect, origin } of chosen)
      if (effect.type === 'SetLimit' && origin === 'Reaction') result = replaced(result, effect);
    for (const { effect, createdAtMs } of chosen)
      if (effect.type === 'Scale')
        result = scaled(result, effect, shareAt({ ...effect, createdAtMs }, this.atMs));
    for (const { effect, origin } of chosen)
      if (effect.type === 'SetLimit' && origin === 'Operator') result = replaced(result, effect);
    return result;
  }

  #index(directive: Directive): void {
    const { effect, selector } = directive;
    this.#byId.set(directive.id, directive);
    if (effect.type === 'SetLimit' || effect.type === 'Scale') {
      const named = this.#byLimit.get(effect.limitName) ?? [];
      named.push(directive);
      this.#byLimit.set(effect.limitName, named);
      return;
    }
    const fields = selectorFields.filter((field) => selector[field] !== undefined);
    const choices = this.#byType.get(effect.type) ?? [];
    this.#byType.set(effect.type, choices);
    let choice = choices.find((each) => each.fields.join() === fields.join());
    if (choice === undefined) {
      choice = { fields, byValues: new Map() };
      choices.push(choice);
    }
    const values = joined(fields.map((field) => selector[field] ?? ''));
    const same = choice.byValues.get(values) ?? [];
    same.push(directive);
    choice.byValues.set(values, same);
  }
}

/** What the facts have for the fields: with the source's address and with its name. Nothing when one is not known. */
function valuesOf(fields: readonly SelectorField[], facts: SelectorFacts): readonly string[] {
  const of = (source: string | undefined): readonly string[] => {
    const values: string[] = [];
    for (const field of fields) {
      const known = field === 'source' ? source : facts[field];
      if (known === undefined || known === '') return [];
      values.push(known);
    }
    return [joined(values)];
  };
  return fields.includes('source') ? [...of(facts.sourceAddress), ...of(facts.sourceName)] : of(undefined);
}

function joined(values: readonly string[]): string {
  return values.join('\n');
}

function replaced(bounds: Bounds, { bounds: set }: EffectOf<'SetLimit'>): Bounds {
  const result: { -readonly [B in keyof Bounds]: Bounds[B] } = { ...bounds };
  for (const name of ['connections', 'burst'] as const) {
    const value = set[name];
    if (value === 'Unlimited') delete result[name];
    else if (value !== undefined) result[name] = value;
  }
  for (const name of ['connectionRate', 'recipientRate', 'messageRate', 'byteRate'] as const) {
    const value = set[name];
    if (value === 'Unlimited') delete result[name];
    else if (value !== undefined) result[name] = value;
  }
  return result;
}

function scaled(bounds: Bounds, { bound }: EffectOf<'Scale'>, percent: number): Bounds {
  if (bound === 'connections') {
    const { connections } = bounds;
    return connections === undefined ? bounds : { ...bounds, connections: scaledCount(connections, percent) };
  }
  const rate: Rate | undefined = bounds[bound];
  return rate === undefined ? bounds : { ...bounds, [bound]: scaledRate(rate, percent) };
}
