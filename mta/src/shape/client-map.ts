import type { ClientId } from './effect.ts';

/**
 * A map by client that is small while it has no or one entry, which is the case for nearly all of many keys: one pod holds, nobody waits.
 * An empty `Map` costs some 200 bytes, and there are several for each key in use.
 */
export class ClientMap<V> {
  #client: ClientId | undefined;
  #value: V | undefined;
  #more: Map<ClientId, V> | undefined;

  get size(): number {
    return this.#more?.size ?? (this.#client === undefined ? 0 : 1);
  }

  get(client: ClientId): V | undefined {
    if (this.#more !== undefined) return this.#more.get(client);
    return client === this.#client ? this.#value : undefined;
  }

  has(client: ClientId): boolean {
    return this.#more?.has(client) ?? client === this.#client;
  }

  set(client: ClientId, value: V): void {
    if (this.#more === undefined) {
      if (this.#client === undefined || this.#client === client) {
        this.#client = client;
        this.#value = value;
        return;
      }
      this.#more = new Map(this);
      this.#client = undefined;
      this.#value = undefined;
    }
    this.#more.set(client, value);
  }

  /** `false` = it was not inside. */
  delete(client: ClientId): boolean {
    if (this.#more !== undefined) {
      const deleted = this.#more.delete(client);
      if (this.#more.size === 0) this.#more = undefined;
      return deleted;
    }
    if (client !== this.#client) return false;
    this.clear();
    return true;
  }

  clear(): void {
    this.#client = undefined;
    this.#value = undefined;
    this.#more = undefined;
  }

  /** In the order in which clients came. Entries may be deleted on the way. */
  *[Symbol.iterator](): Generator<[ClientId, V]> {
    if (this.#more !== undefined) {
      yield* this.#more;
    } else if (this.#client !== undefined && this.#value !== undefined) {
      yield [this.#client, this.#value];
    }
  }
}
