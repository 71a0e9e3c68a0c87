import { z } from 'zod';
import { LISTING_KEYS, type ListingRow, type MailView, type PoisonedMessage } from '../dispatch/mod.ts';
import { selectorSchema } from '../react/mod.ts';
import { mailViewSchema } from './mail-view-schema.ts';
import { type PodActivity, podActivitySchema } from './pod-activity.ts';
import { type PodState, podStateSchema } from './pod-state.ts';

const name = z.exactOptional(z.string().max(1_000));

/** Rows of each kind that one pod tells of at most. */
export const MAX_ACTIVITY_ROWS = 200;

/** Mail of one kind: a field that is absent is not asked about. */
export const mailQuestionSchema = z.strictObject({
  domain: z.string().min(1).max(1_000),
  sender: z.string().max(1_000),
  tenant: name,
  campaign: name,
  class: name,
  source: name,
});

/** Selectors that one question may name: each is held against every unit of the queue. */
export const MAX_ASKED_SELECTORS = 500;

/** What all pods of a cluster can be asked at once. */
export const podQuestionSchema = z.discriminatedUnion('ask', [
  z.strictObject({ ask: z.literal('Pod') }),
  z.strictObject({
    ask: z.literal('Listing'),
    by: z.enum(LISTING_KEYS),
    filter: z.strictObject({
      pool: name,
      site: name,
      tenant: name,
      domain: name,
      campaign: name,
      class: name,
    }),
    /** Most rows that one pod sends. */
    limit: z.int().min(1).max(10_000),
  }),
  /** How much queued mail directives with these selectors touch. */
  z.strictObject({
    ask: z.literal('Chosen'),
    selectors: z.array(selectorSchema).min(1).max(MAX_ASKED_SELECTORS),
  }),
  z.strictObject({ ask: z.literal('Mail'), mail: mailQuestionSchema }),
  /** What is held as poison. */
  z.strictObject({ ask: z.literal('Poison') }),
  /** What happens now; so many rows of each kind. */
  z.strictObject({ ask: z.literal('Activity'), rows: z.int().min(1).max(MAX_ACTIVITY_ROWS) }),
]);
export type PodQuestion = z.infer<typeof podQuestionSchema>;

const count = z.int().min(0);
const text = z.string();

/** A row of a listing as it travels. */
export const listingRowSchema: z.ZodType<ListingRow> = z.object({
  pool: text,
  site: text,
  tenant: text,
  domain: text,
  ready: count,
  asleep: count,
  waiting: count,
  inFlight: count,
  recipients: count,
  oldestAcceptedAtMs: z.number(),
  nextDueAtMs: z.number(),
  lastReply: text,
  lastReplyAtMs: z.number(),
});

/** Messages that one pod tells of at most. */
export const MAX_POISONED_ROWS = 400;

const poisonedMessageSchema: z.ZodType<PoisonedMessage> = z.object({
  id: text,
  sender: text,
  tenant: text,
  campaign: text,
  recipients: count,
  domains: z.array(text),
  acceptedAtMs: z.number(),
  heldSinceMs: z.number(),
});

/** What a pod holds as poison: {@link MAX_POISONED_ROWS} at most, those that were accepted first, and how many there are. */
export const poisonHereSchema = z.object({ messages: z.array(poisonedMessageSchema), total: count });
export type PoisonHere = Readonly<z.infer<typeof poisonHereSchema>>;

/** How much queued mail a selector chooses now. */
export const chosenMailSchema = z.object({ groups: count, recipients: count });
export type ChosenMail = Readonly<z.infer<typeof chosenMailSchema>>;

/** One message of an answer; a long listing comes in several. */
export const answerPartSchema = z.object({
  session: text,
  host: text,
  /** Counts from 0. */
  part: count,
  parts: z.int().min(1),
  /** Sessions that live as far as this pod knows; absent = it observes none. */
  living: z.exactOptional(z.array(text)),
  pod: z.exactOptional(podStateSchema),
  mail: z.exactOptional(mailViewSchema),
  activity: z.exactOptional(podActivitySchema),
  poison: z.exactOptional(poisonHereSchema),
  rows: z.exactOptional(z.array(listingRowSchema)),
  /** Rows that the pod has in all. */
  total: z.exactOptional(count),
  chosen: z.exactOptional(chosenMailSchema),
  /** Why there is no answer. */
  failure: z.exactOptional(text),
});
export type AnswerPart = z.infer<typeof answerPartSchema>;

/** The whole answer of one pod. */
export interface PodAnswer {
  readonly session: string;
  readonly host: string;
  readonly pod?: PodState;
  readonly mail?: MailView;
  readonly activity?: PodActivity;
  readonly poison?: PoisonHere;
  readonly rows: readonly ListingRow[];
  readonly total: number;
  readonly chosen?: ChosenMail;
  readonly failure?: string;
}

/** Where pods are asked and where they answer. Two subjects, so that a pod need not be allowed to publish into inboxes. */
export class QuestionSubjects {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  get ask(): string {
    return `${this.#prefix}.ask`;
  }

  /** For the answers to one question. */
  answer(token: string): string {
    return `${this.#prefix}.answer.${token}`;
  }

  get answers(): string {
    return `${this.#prefix}.answer.>`;
  }

  /** All that a NATS user needs who only asks: `sluice pods`, `queue list`, `explain`, `top`. */
  get askerPublishes(): readonly string[] {
    return [this.ask];
  }

  get askerSubscribes(): readonly string[] {
    return [this.answers];
  }
}
