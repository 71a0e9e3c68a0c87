import { randomUUID } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import { AnswerCollector, type Collected } from './answer-collector.ts';
import { answerPartSchema, type PodQuestion, QuestionSubjects } from './pod-question.ts';

/** Pods that say nothing for so long are named as silent, milliseconds. */
export const ASK_TIMEOUT_MS = 2_000;

/**
 * Asks all pods of a cluster one question and gathers what they answer, until everybody whom some pod knows to live has answered, or the
 * time is over.
 *
 * Example: `const { answers, silent } = await askPods(nats, 'sluice', { ask: 'Pod' })`
 */
export async function askPods(
  connection: NatsConnection,
  prefix: string,
  question: PodQuestion,
  timeoutMs = ASK_TIMEOUT_MS,
): Promise<Collected> {
  const subjects = new QuestionSubjects(prefix);
  const reply = subjects.answer(randomUUID());
  const collector = new AnswerCollector();
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const subscription = connection.subscribe(reply, {
    callback(error, message) {
      if (error !== null) return reject(error);
      const part = partIn(message.string());
      if (part === undefined) return;
      collector.add(part);
      if (collector.complete) resolve();
    },
  });
  const timer = setTimeout(resolve, timeoutMs);
  try {
    connection.publish(subjects.ask, JSON.stringify(question), { reply });
    await done;
  } finally {
    clearTimeout(timer);
    subscription.unsubscribe();
  }
  return collector.collected();
}

/** What is no answer of this version is as if it had not come. */
function partIn(text: string) {
  try {
    return answerPartSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
