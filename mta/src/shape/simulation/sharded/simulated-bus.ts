import type { Agenda } from '../agenda.ts';
import type { SimulatedProcess } from './simulated-process.ts';

export interface BusFaults {
  /** Part of the messages that vanish, and that arrive twice. */
  readonly loss: number;
  readonly doubling: number;
  /** Of each message: so they overtake each other. */
  readonly delayMs: () => number;
  readonly random: () => number;
  /** Nothing goes between these two. */
  readonly isCut: (from: SimulatedProcess, to: SimulatedProcess) => boolean;
}

interface Subscriber<Message> {
  readonly process: SimulatedProcess;
  readonly receive: (message: Message, nowMs: number) => void;
}

/** Messages by subject, with all that a network does to them. */
export class SimulatedBus<Message> {
  readonly #agenda: Agenda;
  readonly #faults: BusFaults;
  readonly #subscribers = new Map<string, Subscriber<Message>>();
  messages = 0;

  constructor(agenda: Agenda, faults: BusFaults) {
    this.#agenda = agenda;
    this.#faults = faults;
  }

  subscribe(subject: string, process: SimulatedProcess, receive: Subscriber<Message>['receive']): void {
    this.#subscribers.set(subject, { process, receive });
  }

  unsubscribe(subject: string): void {
    this.#subscribers.delete(subject);
  }

  publish(from: SimulatedProcess, subject: string, message: Message): void {
    this.messages++;
    const { random, loss, doubling } = this.#faults;
    if (random() < loss) return;
    this.#send(from, subject, message);
    if (random() < doubling) this.#send(from, subject, message);
  }

  #send(from: SimulatedProcess, subject: string, message: Message): void {
    this.#agenda.at(this.#agenda.nowMs + this.#faults.delayMs(), () => {
      const subscriber = this.#subscribers.get(subject);
      if (subscriber === undefined || this.#faults.isCut(from, subscriber.process)) return;
      subscriber.process.do((nowMs) => subscriber.receive(message, nowMs));
    });
  }
}
