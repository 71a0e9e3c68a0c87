import type { NatsConnection } from '@nats-io/transport-node';
import type { Logger } from '../config/mod.ts';
import type { ListingFilter, ListingKey, ListingRow, MailQuestion, MailView } from '../dispatch/mod.ts';
import type { Selector } from '../react/mod.ts';
import type { PodActivity } from './pod-activity.ts';
import {
  type AnswerPart,
  type ChosenMail,
  type PodQuestion,
  type PoisonHere,
  podQuestionSchema,
  QuestionSubjects,
} from './pod-question.ts';
import type { PodState } from './pod-state.ts';

/** Rows in one message: some 150 KB, below every server's max_payload. */
const ROWS_IN_PART = 400;

export interface QuestionAnswers {
  readonly pod: () => Promise<PodState>;
  readonly listing: (by: ListingKey, filter: ListingFilter) => readonly ListingRow[];
  readonly chosenBy: (selectors: readonly Selector[]) => ChosenMail;
  readonly activity: (rows: number) => PodActivity;
  readonly mail: (question: MailQuestion) => Promise<MailView>;
  readonly poison: () => PoisonHere;
  /** Sessions that live as far as this pod knows; absent = it observes none. */
  readonly living: () => readonly string[] | undefined;
  readonly logger: Logger;
}

/** Answers what {@link askPods} asks, until the connection is closed. */
export function answerQuestions(connection: NatsConnection, prefix: string, answers: QuestionAnswers): void {
  const subjects = new QuestionSubjects(prefix);
  connection.subscribe(subjects.ask, {
    callback(error, message) {
      if (error !== null) {
        answers.logger.error({ reason: error.message }, 'questions to all pods do not reach this one');
        return;
      }
      const { reply } = message;
      const question = questionIn(message.string());
      if (reply === undefined || question === undefined) return;
      void partsOf(question, answers).then((parts) => {
        if (connection.isClosed()) return;
        for (const part of parts) connection.publish(reply, JSON.stringify(part));
      });
    },
  });
}

async function partsOf(question: PodQuestion, answers: QuestionAnswers): Promise<readonly AnswerPart[]> {
  const pod = await answers.pod();
  const { session, host } = pod;
  const living = answers.living();
  const head = { session, host, ...(living !== undefined && { living: [...living] }) };
  try {
    if (question.ask === 'Mail') {
      return [{ ...head, part: 0, parts: 1, pod, mail: await answers.mail(question.mail) }];
    }
    if (question.ask === 'Activity')
      return [{ ...head, part: 0, parts: 1, pod, activity: answers.activity(question.rows) }];
    if (question.ask === 'Poison') return [{ ...head, part: 0, parts: 1, pod, poison: answers.poison() }];
    if (question.ask === 'Pod') return [{ ...head, part: 0, parts: 1, pod }];
    if (question.ask === 'Chosen')
      return [{ ...head, part: 0, parts: 1, chosen: answers.chosenBy(question.selectors) }];
    const all = answers.listing(question.by, question.filter);
    const rows = all.slice(0, question.limit);
    const poison = { messages: [], total: answers.poison().total };
    const parts = Math.max(1, Math.ceil(rows.length / ROWS_IN_PART));
    return Array.from({ length: parts }, (_, part) => ({
      ...head,
      part,
      parts,
      total: all.length,
      poison,
      rows: rows.slice(part * ROWS_IN_PART, (part + 1) * ROWS_IN_PART),
    }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    answers.logger.error({ reason }, 'a question to all pods failed');
    return [{ ...head, part: 0, parts: 1, failure: reason }];
  }
}

function questionIn(text: string): PodQuestion | undefined {
  try {
    return podQuestionSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
