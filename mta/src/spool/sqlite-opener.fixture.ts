import type { Spool } from './spool.ts';
import { openSqliteSpool } from './sqlite-spool.ts';

/** Opens the spool at a path: what another process of the contract suite imports. */
export function openSpool(path: string): Promise<Spool> {
  return openSqliteSpool({ path, minFreeBytes: 0 });
}
