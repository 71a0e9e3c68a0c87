import type { UnitKey } from './contract.ts';
import type { Unit } from './unit.ts';

/**
 * Units of one tenant that agree in everything but the domain. Mail comes in streams (one campaign to many domains), so a unit
 * is found by its tenant's last stream and its domain, without building a text of all six names for every message.
 */
export class Stream {
  readonly pool: string;
  readonly campaign: string;
  readonly class: string;
  readonly preferredSource: string;
  readonly unitOfDomain = new Map<string, Unit>();

  constructor(key: UnitKey) {
    this.pool = key.pool;
    this.campaign = key.campaign;
    this.class = key.class;
    this.preferredSource = key.preferredSource;
  }

  carries(key: UnitKey): boolean {
    return (
      this.campaign === key.campaign &&
      this.class === key.class &&
      this.pool === key.pool &&
      this.preferredSource === key.preferredSource
    );
  }

  /** The same for all keys of a stream; no name holds a line feed. */
  static nameOf(key: Omit<UnitKey, 'domain' | 'tenant'>): string {
    return `${key.campaign}\n${key.class}\n${key.pool}\n${key.preferredSource}`;
  }
}
