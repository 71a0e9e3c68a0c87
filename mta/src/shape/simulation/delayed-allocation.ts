import { type Allocation, type AllocationPort, ledHere, type ReceiveEffect } from '../allocation-port.ts';
import type { Allocator } from '../allocator.ts';
import type { ClientId } from '../effect.ts';
import type { Agenda } from './agenda.ts';

interface Link {
  readonly receive: ReceiveEffect;
  upFreeAtMs: number;
  downFreeAtMs: number;
  alive: boolean;
}

/** An allocator at the other end of a network: messages take their time and arrive in order. */
export class DelayedAllocation implements Allocation {
  readonly allocator: Allocator;
  readonly #agenda: Agenda;
  readonly #delayMs: () => number;
  readonly #links = new Map<ClientId, Link>();
  #wakeAtMs = Number.POSITIVE_INFINITY;

  readonly #received: (client: ClientId) => void;

  /** `received` is called after a pod was told something. */
  constructor(
    allocator: Allocator,
    agenda: Agenda,
    delayMs: () => number,
    received: (client: ClientId) => void,
  ) {
    this.allocator = allocator;
    this.#received = received;
    this.#agenda = agenda;
    this.#delayMs = delayMs;
  }

  join(client: ClientId, receive: ReceiveEffect): AllocationPort {
    const link: Link = { receive, upFreeAtMs: 0, downFreeAtMs: 0, alive: true };
    this.#links.set(client, link);
    const { allocator } = this;
    const send = (run: (nowMs: number) => void): void => this.#send(link, run);
    return {
      bind: (key) => send((nowMs) => allocator.bind(key, nowMs)),
      demandSlots: (id, keys, urgency) =>
        send((nowMs) => allocator.demandSlots(client, id, keys, urgency, nowMs)),
      cancelSlots: (id) => send((nowMs) => allocator.cancelSlots(client, id, nowMs)),
      releaseSlots: (grant) => send((nowMs) => allocator.releaseSlots(client, grant, nowMs)),
      demandRate: (key, name, demand) =>
        send((nowMs) => allocator.demandRate(client, key, name, demand, nowMs)),
      giveBack: (keyId, name, part) => send((nowMs) => allocator.giveBack(client, keyId, name, part, nowMs)),
      advance: () => {},
      nextAtMs: () => undefined,
      heldFromMs: () => Number.POSITIVE_INFINITY,
      look: ({ id }, nowMs) => ({
        ...ledHere('allocator', client, allocator.look(id, nowMs)),
        here: false,
      }),
      leave: () => send((nowMs) => allocator.removeClient(client, nowMs)),
    };
  }

  /** Nothing reaches the pod or comes from it any more; the allocator learns it after the fence time. */
  kill(client: ClientId, fenceMs: number, fenced: () => void): void {
    const link = this.#links.get(client);
    if (link === undefined) return;
    link.alive = false;
    this.#agenda.at(this.#agenda.nowMs + fenceMs, (nowMs) => {
      fenced();
      this.allocator.removeClient(client, nowMs);
      this.#deliver();
    });
  }

  #send(link: Link, run: (nowMs: number) => void): void {
    link.upFreeAtMs = Math.max(link.upFreeAtMs, this.#agenda.nowMs + this.#delayMs());
    this.#agenda.at(link.upFreeAtMs, (nowMs) => {
      if (!link.alive) return;
      run(nowMs);
      this.#deliver();
    });
  }

  #deliver(): void {
    for (const effect of this.allocator.drain()) {
      const link = this.#links.get(effect.client);
      if (link === undefined) continue;
      link.downFreeAtMs = Math.max(link.downFreeAtMs, this.#agenda.nowMs + this.#delayMs());
      this.#agenda.at(link.downFreeAtMs, (nowMs) => {
        if (!link.alive) return;
        link.receive(effect, nowMs);
        this.#received(effect.client);
      });
    }
    const nextAtMs = this.allocator.nextAtMs() ?? Number.POSITIVE_INFINITY;
    if (nextAtMs >= this.#wakeAtMs) return;
    this.#wakeAtMs = nextAtMs;
    this.#agenda.at(nextAtMs, (nowMs) => {
      if (this.#wakeAtMs !== nextAtMs) return;
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      this.allocator.advance(nowMs);
      this.#deliver();
    });
  }
}
