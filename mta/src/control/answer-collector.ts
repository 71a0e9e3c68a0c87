import type { AnswerPart, PodAnswer } from './pod-question.ts';

/** What is known when the time is over, or before. */
export interface Collected {
  readonly answers: readonly PodAnswer[];
  /** Sessions that live as far as some pod knows, and did not answer, or not to the end. */
  readonly silent: readonly string[];
}

/**
 * Puts parts together, and knows whether everybody has answered: the pods themselves say who lives, so that the one who asks needs to know
 * none of them. Pure.
 *
 * Example: `collector.add(part); if (collector.complete) return collector.collected()`
 */
export class AnswerCollector {
  readonly #parts = new Map<string, Map<number, AnswerPart>>();
  readonly #living = new Set<string>();
  /** Some pod does not know who lives: only the time tells the end. */
  #blind = false;

  /** Parts may come twice and in any order. */
  add(part: AnswerPart): void {
    const parts = this.#parts.get(part.session) ?? new Map<number, AnswerPart>();
    this.#parts.set(part.session, parts.set(part.part, part));
    if (part.living === undefined) this.#blind = true;
    for (const session of part.living ?? []) this.#living.add(session);
  }

  /** Nobody is missing. */
  get complete(): boolean {
    return !this.#blind && this.#parts.size > 0 && this.#silent().length === 0;
  }

  collected(): Collected {
    const answers: PodAnswer[] = [];
    for (const [session, parts] of this.#parts) if (isWhole(parts)) answers.push(answerOf(session, parts));
    answers.sort((a, b) => (a.host === b.host ? compare(a.session, b.session) : compare(a.host, b.host)));
    return { answers, silent: this.#silent() };
  }

  #silent(): readonly string[] {
    const named = new Set([...this.#living, ...this.#parts.keys()]);
    return [...named].filter((session) => !isWhole(this.#parts.get(session))).sort();
  }
}

function isWhole(parts: ReadonlyMap<number, AnswerPart> | undefined): boolean {
  const first = parts?.values().next().value;
  return first !== undefined && parts?.size === first.parts;
}

function answerOf(session: string, parts: ReadonlyMap<number, AnswerPart>): PodAnswer {
  const inOrder = [...parts.values()].sort((a, b) => a.part - b.part);
  const rows = inOrder.flatMap((part) => part.rows ?? []);
  const pod = inOrder[0]?.pod;
  const mail = inOrder[0]?.mail;
  const activity = inOrder[0]?.activity;
  const poison = inOrder[0]?.poison;
  const failure = inOrder[0]?.failure;
  const chosen = inOrder[0]?.chosen;
  return {
    session,
    host: inOrder[0]?.host ?? '',
    ...(pod !== undefined && { pod }),
    ...(mail !== undefined && { mail }),
    ...(activity !== undefined && { activity }),
    ...(poison !== undefined && { poison }),
    rows,
    total: inOrder[0]?.total ?? rows.length,
    ...(chosen !== undefined && { chosen }),
    ...(failure !== undefined && { failure }),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
