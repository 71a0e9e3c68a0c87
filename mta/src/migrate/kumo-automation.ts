import { isTable, type KumoBlock, type KumoOption, membersOf } from './kumo-blocks.ts';
import { BOUNDS } from './kumo-options.ts';
import { type Draft, SOURCE_SITE } from './layer-draft.ts';
import { durationOf, thresholdOf } from './quantity.ts';
import { asksForCode, type ReplyMatch, replyMatch } from './reply-pattern.ts';
import type { Omissions } from './translation.ts';

/** What KumoMTA suspends and counts for: a ready queue. */
const READY_QUEUE = ['Source', 'Site'];
const KNOWN = new Set(['regex', 'action', 'trigger', 'duration', 'match_internal']);

/** The reactions of a block; what cannot be one is taken down. */
export function translateAutomation(
  block: KumoBlock,
  prefix: string,
  omissions: Omissions,
): readonly Draft[] {
  return block.automation.flatMap((rule, index) =>
    translateRule(rule, `${prefix.slice(0, 50)}-${index + 1}`, omissions),
  );
}

function translateRule(rule: KumoOption, name: string, omissions: Omissions): readonly Draft[] {
  const say = (reason: string, member?: string) =>
    omissions.add(rule.origin, member === undefined ? rule.directive : `${rule.directive}.${member}`, reason);
  if (!isTable(rule.value)) {
    say('Not a rule: a table with regex, action and duration is expected.');
    return [];
  }
  const { regex, action, trigger, duration, match_internal: internal } = rule.value;
  for (const [member] of membersOf(rule.value))
    if (!KNOWN.has(member)) say('Not a member of a rule that the translator knows.', member);
  if (internal === true)
    say('Reactions see what the receiver says, not what the MTA says itself.', 'match_internal');
  const holds = durationOf(duration);
  if (holds === undefined) {
    say('The rule is left out: its duration cannot be read.', 'duration');
    return [];
  }
  const actions = joined(
    (Array.isArray(action) ? action : [action]).flatMap((one: unknown) => actionOf(one, holds, say)),
  );
  if (actions.length === 0) {
    say('The rule is left out: none of its actions is translated.');
    return [];
  }
  const when = triggerOf(trigger, say);
  if (when === undefined) return [];
  const matches = matchesOf(Array.isArray(regex) ? regex : [regex], (reason) => say(reason, 'regex'));
  return matches.map((match, index) => ({
    name: matches.length === 1 ? name : `${name}-${index + 1}`,
    match,
    ...when,
    actions,
  }));
}

/** Bounds that change together are one action. */
function joined(actions: readonly Draft[]): readonly Draft[] {
  const bounds = actions.flatMap(({ setLimit }) => (isTable(setLimit) ? [setLimit] : []));
  if (bounds.length < 2) return actions;
  const others = actions.filter(({ setLimit }) => setLimit === undefined);
  return [...others, { type: 'SetLimit', setLimit: Object.assign({}, ...bounds) }];
}

/** One match for all expressions that only look at the text, so that they count together; else one each. */
function matchesOf(expressions: readonly unknown[], say: (reason: string) => void): readonly ReplyMatch[] {
  const matches = expressions.flatMap((expression) => {
    const match = typeof expression === 'string' ? replyMatch(expression) : 'it is no text';
    if (typeof match === 'string') {
      say(`The expression ${JSON.stringify(expression)?.slice(0, 100)} is left out: ${match}.`);
      return [];
    }
    if (asksForCode(match))
      say(
        `The expression ${JSON.stringify(expression).slice(0, 100)} still asks for a reply code: write it in match.codes.`,
      );
    return [match];
  });
  const texts = matches.flatMap((match) =>
    (match.codes ?? match.enhancedCodes) === undefined ? [match.text ?? ''] : [],
  );
  const joined = texts.map((text) => `(?:${text})`).join('|');
  if (texts.length < 2 || texts.length < matches.length) return matches;
  return joined.length > 512 ? matches : [{ text: joined }];
}

function triggerOf(trigger: unknown, say: (reason: string, member: string) => void): Draft | undefined {
  if (trigger === undefined || trigger === 'Immediate') return {};
  const threshold = isTable(trigger) ? thresholdOf(String(trigger.Threshold)) : undefined;
  if (threshold === undefined) {
    say('The rule is left out: its trigger cannot be read.', 'trigger');
    return undefined;
  }
  return { trigger: { ...threshold, per: [...READY_QUEUE] } };
}

function actionOf(
  action: unknown,
  holds: string,
  say: (reason: string, member: string) => void,
): readonly Draft[] {
  const refuse = (reason: string) => {
    say(reason, 'action');
    return [];
  };
  if (action === 'Suspend') return [{ type: 'Suspend', suspend: { per: [...READY_QUEUE], for: holds } }];
  if (action === 'SuspendTenant')
    return [{ type: 'Suspend', suspend: { per: ['Tenant', 'Domain'], for: holds } }];
  if (action === 'SuspendCampaign')
    return [{ type: 'Suspend', suspend: { per: ['Campaign', 'Domain'], for: holds } }];
  if (action === 'Bounce') {
    say('Only the message that was answered so is returned, not what else is queued.', 'action');
    return [{ type: 'Bounce' }];
  }
  if (action === 'BounceTenant' || action === 'BounceCampaign')
    return refuse(`${action} has no counterpart: queued mail is returned by hand, or when it expires.`);
  if (isTable(action) && Object.hasOwn(action, 'SetDomainConfig'))
    return refuse(
      'SetDomainConfig has no counterpart: limits of a reaction hold for the site. SetConfig does that.',
    );
  const config = isTable(action) ? action.SetConfig : undefined;
  if (!isTable(config))
    return refuse(`Not an action that the translator knows: ${JSON.stringify(action)?.slice(0, 80)}.`);
  const { name, value } = config;
  const bound = typeof name === 'string' && Object.hasOwn(BOUNDS, name) ? BOUNDS[name] : undefined;
  if (bound?.limit !== SOURCE_SITE)
    return refuse(`SetConfig of ${String(name)} has no counterpart: a reaction changes limits only.`);
  const read = bound.read(value, (reason) => say(reason, 'action'));
  if (read === undefined) return [];
  return [{ type: 'SetLimit', setLimit: { limitName: SOURCE_SITE, [bound.bound]: read, for: holds } }];
}
