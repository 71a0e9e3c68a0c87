import type { LevelRecord, StoredLevel } from './shard-leader.ts';
import type { LevelAddress } from './shard-node.ts';

/** A store that did not answer is asked again after this long. */
export const LEDGER_RETRY_MS = 1_000;

/** A level as it stands in the store. */
export interface LevelEntry extends StoredLevel {
  /** Of the leader that wrote it. */
  readonly term: number;
}

export interface FoundLevel {
  readonly entry: LevelEntry;
  readonly revision: number;
  /** Since it was stored, by the store's own clock. */
  readonly elapsedMs: number;
}

/** Where levels are kept. An answer may never come. */
export interface LevelStore {
  read(name: string, found: (found: FoundLevel | undefined) => void): void;
  /** Only on this revision (0 = there is nothing yet); `undefined` = refused. */
  write(
    name: string,
    entry: LevelEntry,
    onRevision: number,
    stored: (revision: number | undefined) => void,
  ): void;
  /** Calls once, later. */
  after(delayMs: number, run: () => void): void;
}

interface Line {
  readonly records: LevelRecord[];
  busy: boolean;
  revision: number;
}

/**
 * Reads and writes levels for the leaders of one pod: the records of one rate one after the other, each until it has succeeded, and nothing over
 * what the leader of a later term has written.
 */
export class LevelLedger {
  readonly #store: LevelStore;
  readonly #loaded: (address: LevelAddress, found: FoundLevel | undefined) => void;
  readonly #saved: (address: LevelAddress) => void;
  readonly #lines = new Map<string, Line>();

  constructor(
    store: LevelStore,
    loaded: (address: LevelAddress, found: FoundLevel | undefined) => void,
    saved: (address: LevelAddress) => void,
  ) {
    this.#store = store;
    this.#loaded = loaded;
    this.#saved = saved;
  }

  record(shard: number, term: number, record: LevelRecord): void {
    const id = `${shard} ${term} ${record.rate} ${record.keyId}`;
    const line = this.#lines.get(id) ?? { records: [], busy: false, revision: 0 };
    this.#lines.set(id, line);
    line.records.push(record);
    this.#next({ shard, term, keyId: record.keyId, rate: record.rate }, line);
  }

  /** The pod leads the shard in this term no longer. */
  forget(shard: number, term: number): void {
    for (const id of this.#lines.keys()) if (id.startsWith(`${shard} ${term} `)) this.#lines.delete(id);
  }

  #next(address: LevelAddress, line: Line): void {
    const record = line.records[0];
    if (line.busy || record === undefined) return;
    line.busy = true;
    let answered = false;
    const attempt = (): void => {
      if (answered || !this.#isOpen(address, line)) return;
      this.#store.after(LEDGER_RETRY_MS, attempt);
      const done = (): boolean => {
        if (answered || !this.#isOpen(address, line)) return false;
        answered = true;
        line.records.shift();
        line.busy = false;
        return true;
      };
      if (record.type === 'load') this.#load(address, line, done);
      else this.#save(address, line, { level: record.level, out: record.out, term: address.term }, done);
    };
    attempt();
  }

  #load(address: LevelAddress, line: Line, done: () => boolean): void {
    this.#store.read(nameOf(address), (found) => {
      if (!done()) return;
      line.revision = found?.revision ?? 0;
      this.#loaded(address, found);
      this.#next(address, line);
    });
  }

  #save(address: LevelAddress, line: Line, entry: LevelEntry, done: () => boolean): void {
    const name = nameOf(address);
    this.#store.write(name, entry, line.revision, (revision) => {
      if (revision !== undefined) {
        if (!done()) return;
        line.revision = revision;
        this.#saved(address);
        this.#next(address, line);
        return;
      }
      // An own write whose answer was lost, or one of a former leader that came late; a later leader's stays, and this one waits for ever.
      this.#store.read(name, (found) => {
        if (found === undefined || found.entry.term > address.term) return;
        line.revision = Math.max(line.revision, found.revision);
      });
    });
  }

  #isOpen({ shard, term, rate, keyId }: LevelAddress, line: Line): boolean {
    return this.#lines.get(`${shard} ${term} ${rate} ${keyId}`) === line;
  }
}

function nameOf({ keyId, rate }: LevelAddress): string {
  return `${rate}|${keyId}`;
}
