import { z } from 'zod';
import { notEmpty, ordered, unionRules, withRules } from './cel-rule.ts';
import { expecting } from './expectation.ts';
import { boundRule, bounds, LIMIT_FIELDS } from './limit.ts';
import {
  count,
  countBound,
  duration,
  enhancedCode,
  entryName,
  listOf,
  rateBound,
  regularExpression,
  replyCode,
  resourceName,
} from './schema-fields.ts';
import type { UnionMembers } from './union.ts';

export const MAX_REACTIONS = 32;
export const MAX_ACTIONS = 8;
export const MAX_CODES = 64;
export const MAX_TRIGGER_COUNT = 100_000;
export const MAX_RECOVER_PERCENT = 1_000;

/** Phases of a session in which a reply comes. */
export const REACTION_PHASES = [
  'Connect',
  'Greeting',
  'Ehlo',
  'StartTls',
  'Auth',
  'Mail',
  'Rcpt',
  'Data',
  'FinalDot',
] as const;

export const SCALED_BOUNDS = [
  'Connections',
  'ConnectionRate',
  'RecipientRate',
  'MessageRate',
  'ByteRate',
] as const;

export const ACTION_MEMBERS: UnionMembers = {
  Scale: { member: 'scale', example: '{limitName: …, bound: RecipientRate, percent: 50}' },
  Suspend: { member: 'suspend', example: '{per: [Source, Group], for: 1h}' },
  SetLimit: { member: 'setLimit', example: '{limitName: …, connections: 1, for: 1h}' },
  RetryAfter: { member: 'retryAfter', example: '{delay: 1h}' },
  Reroute: { member: 'reroute', example: '{poolRef: {name: …}, for: 1h}' },
};

const per = listOf(z.enum(LIMIT_FIELDS), LIMIT_FIELDS.length);
const holdsFor = duration.describe('How long it holds after the last hit.');
const limitName = entryName.describe('Name of the limit, as the layers of the destination define it.');

const scaleFloor = expecting(z.union([rateBound.options[0], countBound.options[0]]), {
  expected: 'a whole number from 1 or a rate N/(s|min|h|d)',
  example: '10/min',
});

const recoverPercent = expecting(z.int().min(101).max(MAX_RECOVER_PERCENT), {
  expected: `a whole number from 101 to ${MAX_RECOVER_PERCENT}`,
  example: '120',
});

const action = withRules(
  z.strictObject({
    type: z
      .enum(['Scale', 'Suspend', 'SetLimit', 'RetryAfter', 'Bounce', 'Reroute'])
      .describe(
        '`Scale`: a bound shrinks and recovers. `Suspend`: nothing is sent for a while. `SetLimit`: other bounds for a while. `RetryAfter`: the next attempt comes at this time. `Bounce`: the message is returned at once. `Reroute`: mail leaves from another pool for a while.',
      ),
    scale: withRules(
      z.strictObject({
        limitName,
        bound: z.enum(SCALED_BOUNDS).describe('Bound of the limit that shrinks.'),
        percent: count(99).describe('Percent of what is in force that is left after a hit.'),
        floor: scaleFloor
          .exactOptional()
          .describe(
            'Never less than this: a whole number for `Connections`, a rate otherwise. Absent = one connection, or one per period.',
          ),
        recoverPercent: recoverPercent
          .default(120)
          .describe(
            'Percent of what is in force that is given back at each step, up to the bound of the policy.',
          ),
        recoverEvery: duration.default('1h').describe('Time without a hit before each step back.'),
      }),
      {
        rule: "!has(self.floor) || (self.bound == 'Connections') == (type(self.floor) == int)",
        message: 'floor is a count with bound Connections, and a rate with the others',
      },
    )
      .exactOptional()
      .describe('Only with type `Scale`.'),
    suspend: z
      .strictObject({
        per: per.describe('What is suspended: the combination of these values that the reply came to.'),
        for: holdsFor,
      })
      .exactOptional()
      .describe('Only with type `Suspend`.'),
    setLimit: withRules(z.strictObject({ limitName, ...bounds, for: holdsFor }), boundRule)
      .exactOptional()
      .describe('Only with type `SetLimit`.'),
    retryAfter: z
      .strictObject({
        delay: duration.describe('Time to the next attempt, instead of that of `retry.delays`.'),
      })
      .exactOptional()
      .describe('Only with type `RetryAfter`.'),
    reroute: z
      .strictObject({
        poolRef: z
          .strictObject({ name: resourceName.describe('Name of the pool.') })
          .describe('Pool that the mail leaves from instead.'),
        for: holdsFor,
      })
      .exactOptional()
      .describe('Only with type `Reroute`.'),
  }),
  ...unionRules(ACTION_MEMBERS),
);

/** What a reply of the receiver changes. */
export const reaction = z.strictObject({
  name: entryName.describe('Name of the reaction; layers with the same name refine one another.'),
  state: z
    .enum(['Enabled', 'Disabled'])
    .exactOptional()
    .describe('`Disabled` removes what a wider layer set.'),
  match: notEmpty(
    z.strictObject({
      codes: listOf(replyCode, MAX_CODES).exactOptional().describe('Reply codes, any of them.'),
      enhancedCodes: listOf(enhancedCode, MAX_CODES)
        .exactOptional()
        .describe('Enhanced status codes, any of them (RFC 3463).'),
      text: regularExpression
        .exactOptional()
        .describe(
          'Regular expression (RE2) that the text of the reply contains; it ignores case. The API server cannot check it: a wrong one is told in the status.',
        ),
      phases: listOf(z.enum(REACTION_PHASES), REACTION_PHASES.length)
        .exactOptional()
        .describe('Phases of the session, any of them. Absent = every phase.'),
    }),
  )
    .exactOptional()
    .describe('Replies that hit. Every member present must fit. Absent = as the wider layer says.'),
  trigger: z
    .strictObject({
      count: count(MAX_TRIGGER_COUNT).describe('Hits that are needed.'),
      within: duration.describe('Time within which they must come.'),
      per: per.describe('What has a counter of hits of its own.'),
    })
    .exactOptional()
    .describe('When hits have a consequence. Absent = at once.'),
  actions: ordered(listOf(action, MAX_ACTIONS))
    .exactOptional()
    .describe(
      'What happens, all of it. Replaces the list of a wider layer whole. Absent = as that one says.',
    ),
});

export type ReactionSpec = z.output<typeof reaction>;
export type ActionSpec = z.output<typeof action>;
