import type { Remark } from './condition.ts';

/** Remarks by name of the resource that they are about. */
export type RemarksByName = ReadonlyMap<string, readonly Remark[]>;

export function addRemark(remarks: Map<string, Remark[]>, name: string, remark: Remark): void {
  const known = remarks.get(name);
  if (known === undefined) remarks.set(name, [remark]);
  else known.push(remark);
}
