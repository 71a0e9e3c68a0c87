import type { UnitKey } from './contract.ts';
import { Counts } from './counts.ts';
import { Stream } from './stream.ts';
import type { TenantTurn, Turns } from './turns.ts';

/** A tenant with something in the queue. */
export class Tenant {
  readonly name: string;
  readonly counts = new Counts();
  /** Where it takes turns now. Kept here and not in each `Turns`: a map for every lane would cost more than the lane. */
  readonly turnIn = new Map<Turns, TenantTurn>();
  readonly #streams = new Map<string, Stream>();
  #lastStream: Stream | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** It has no unit left. */
  get gone(): boolean {
    return this.#streams.size === 0;
  }

  openStream(key: UnitKey): Stream {
    if (this.#lastStream?.carries(key)) return this.#lastStream;
    const name = Stream.nameOf(key);
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = new Stream(key);
      this.#streams.set(name, stream);
    }
    this.#lastStream = stream;
    return stream;
  }

  closeStream(stream: Stream): void {
    this.#streams.delete(Stream.nameOf(stream));
    if (this.#lastStream === stream) this.#lastStream = undefined;
  }
}
