import type { z } from 'zod';
import type { UnionMembers } from './union.ts';

/** A rule of the API server in its expression language: what holds when `rule` is true, and what is told when it is not. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
}

/**
 * Adds rules to a schema; they travel to the CRD. What they say is checked here too (`check…` beside each schema), with better
 * words: the rules are for those who use kubectl.
 */
export function withRules<S extends z.ZodType>(schema: S, ...rules: readonly CelRule[]): S {
  return schema.meta({ 'x-kubernetes-validations': rules });
}

/** Marks a list whose order matters, or in which a value may be there twice. */
export function ordered<S extends z.ZodType>(list: S): S {
  return list.meta({ 'x-kubernetes-list-type': 'atomic' });
}

/** Marks an object that must have at least one member. */
export function notEmpty<S extends z.ZodType>(object: S): S {
  return object.meta({ minProperties: 1 });
}

/** A union carries exactly the member that its `type` names. */
export function unionRules(members: UnionMembers): readonly CelRule[] {
  return Object.entries(members).map(([type, { member }]) => ({
    rule: `(self.type == '${type}') == has(self.${member})`,
    message: `${member} is there with type ${type}, and only then`,
  }));
}

/** At least one of these members is there. */
export function anyOfRule(members: readonly string[], message: string): CelRule {
  return { rule: members.map((member) => `has(self.${member})`).join(' || '), message };
}
