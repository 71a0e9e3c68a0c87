import type { UserSettings } from '../config/mod.ts';
import { type AuthUser, passwordCheck } from '../intake/mod.ts';

/** Who may hand in mail at one listener with AUTH; another list may take its place while the listener runs. */
export class ListenerUsers {
  #settings: readonly UserSettings[] = [];
  #users: ReadonlyMap<string, AuthUser> = new Map();

  constructor(users: readonly UserSettings[]) {
    this.replace(users);
  }

  get count(): number {
    return this.#users.size;
  }

  find(username: string): AuthUser | undefined {
    return this.#users.get(username);
  }

  /** From the next AUTH on these are the users; sessions that are authenticated stay so. `false` = they are the same as before. */
  replace(users: readonly UserSettings[]): boolean {
    if (JSON.stringify(users) === JSON.stringify(this.#settings)) return false;
    this.#settings = users;
    this.#users = new Map(
      users.map(({ username, tenant, password }) => [
        username,
        { username, tenant, checkPassword: passwordCheck(password) },
      ]),
    );
    return true;
  }
}
