/**
 * How many replies one core judges: `node mta/src/react/bench/run.ts [reactions] [mixed|unsearchable]`. `unsearchable`: no expression has a
 * literal that could be looked for first. Replies are as receivers word them, with another
 * address and queue id in each, so that no memory of earlier ones could help; one in four hits something.
 */
import type { EffectiveReaction, ReactionPhase } from '@sluice/crds';
import { compileReactions } from '../mod.ts';

const REACTIONS = Number(process.argv[2] ?? 500);
const UNSEARCHABLE = process.argv[3] === 'unsearchable';
const REPLIES = 20_000;
const MEASURE_MS = 3_000;

const WORDINGS = [
  'Gmail has detected an unusual rate of unsolicited mail originating from your IP address',
  'Messages from %IP temporarily deferred due to unexpected volume or user complaints',
  'The mail server %IP has been temporarily rate limited due to IP reputation',
  'Requested action aborted; try again later (%ID)',
  'Our system has detected that this message is likely suspicious due to the very low reputation of the sending domain',
  'Too many connections from %IP, slow down',
  'mailbox unavailable, user unknown, see postmaster page for %ID',
  'Greylisted, please come back in five minutes, reference %ID',
];
const CODES = [421, 450, 451, 452, 550, 554];
const PHASES: readonly ReactionPhase[] = ['Greeting', 'Mail', 'Rcpt', 'FinalDot'];

/** Half ask for a code, a third for a phase; texts are plain, with a class, a gap, a group and alternatives. */
const rules = Array.from(
  { length: REACTIONS },
  (_, index): EffectiveReaction => ({
    name: `reaction-${index}`,
    match: {
      ...(index % 2 === 0 ? { codes: [CODES[index % CODES.length] ?? 421] } : {}),
      ...(index % 3 === 0 ? { phases: [PHASES[index % PHASES.length] ?? 'Rcpt'] } : {}),
      text:
        (UNSEARCHABLE
          ? [
              `(blocked|listed) (by|on)${' .*'.slice(0, index % 3)}(list${index}|rbl${index})`,
              `[a-z]+[0-9]{${(index % 5) + 2}}[${String.fromCharCode(97 + (index % 26))}-z]x?`,
              `(rate|limit)${index}|[A-Z]{3}${index}`,
              `\\b(quota|volume)\\b.*\\b${index}?(0|1)\\b`,
            ][index % 4]
          : [
              `blocked by list number ${index}`,
              `\\[BL${index}[0-9]+\\]`,
              `rate limit ${index} .*exceeded`,
              `from (host|address) of class ${index}`,
              `(quota|volume) ${index}`,
              `slow down, class ${index}|too fast, class ${index}`,
            ][index % 6]) ?? '',
    },
    actions: [],
  }),
);
rules[0] = { name: 'hit', match: { text: 'unusual rate' }, actions: [] };
rules[1] = {
  name: 'hit-too',
  match: { text: 'temporarily (deferred|limited) due to .*volume' },
  actions: [],
};

const replies = Array.from({ length: REPLIES }, (_, index) => ({
  code: CODES[index % CODES.length] ?? 421,
  enhanced: '4.7.0',
  text: (WORDINGS[index % WORDINGS.length] ?? '')
    .replace('%IP', `192.0.2.${index % 256}`)
    .replace('%ID', `q${(index * 7919).toString(36)}-gsmtp`),
  phase: PHASES[index % PHASES.length] ?? 'Rcpt',
}));

const compileStartMs = performance.now();
const { matcher, problems } = compileReactions(rules);
const compileMs = performance.now() - compileStartMs;
if (problems.length > 0) throw new Error(JSON.stringify(problems));

function round(): number {
  let hits = 0;
  for (const reply of replies) hits += matcher.match(reply).length;
  return hits;
}

round();
const cpuStart = process.cpuUsage();
const startMs = performance.now();
let judged = 0;
let hits = 0;
while (performance.now() - startMs < MEASURE_MS) {
  hits += round();
  judged += REPLIES;
}
const { user, system } = process.cpuUsage(cpuStart);
process.stdout.write(
  `${REACTIONS} ${UNSEARCHABLE ? 'unsearchable ' : ''}reactions compiled in ${compileMs.toFixed(0)} ms; ` +
    `${Math.round((judged / (user + system)) * 1e6)} replies per second of CPU, ` +
    `${((user + system) / judged).toFixed(1)} µs each, ${(hits / judged).toFixed(2)} hits each\n`,
);
