import type { FieldPath } from './field-path.ts';
import type { Finding } from './problem.ts';

/** Types of a union that carry a member: its name, and how one is begun. A type that is not listed carries none. */
export type UnionMembers = Readonly<Record<string, { readonly member: string; readonly example: string }>>;

/**
 * A union carries exactly the member that its `type` names.
 *
 * Example: `{ type: 'Bind' }` → "has type Bind and no member bind. Add bind: {address: …}."
 */
export function checkUnion(
  union: { readonly type: string } | undefined,
  members: UnionMembers,
  path: FieldPath,
): readonly Finding[] {
  if (union === undefined) return [];
  const { type } = union;
  const own = members[type];
  const strange = Object.entries(members).filter(
    ([other, { member }]) => other !== type && Object.hasOwn(union, member),
  );
  const missing =
    own === undefined || Object.hasOwn(union, own.member)
      ? []
      : [
          contradiction(
            path,
            `has type ${type} and no member ${own.member}`,
            `Add ${own.member}: ${own.example}.`,
          ),
        ];
  const surplus = strange.map(([other, { member }]) =>
    contradiction(
      [...path, member],
      `is not a member of type ${type}`,
      `Write type: ${other}, or remove ${member}.`,
    ),
  );
  return [...missing, ...surplus];
}

function contradiction(path: FieldPath, reason: string, cure: string): Finding {
  return { code: 'SLUICE_FIELD_CONTRADICTION', path, parameters: { reason, cure } };
}
