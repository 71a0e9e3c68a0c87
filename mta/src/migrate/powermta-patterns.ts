import { entryNameOf } from './entry-names.ts';
import { type Draft, SOURCE_SITE } from './layer-draft.ts';
import { countBound, rateBound } from './powermta-directives.ts';
import type { PowermtaBlock, PowermtaDirective } from './powermta-file.ts';
import { durationOf } from './quantity.ts';
import { asksForCode, replyMatch } from './reply-pattern.ts';
import type { Omissions } from './translation.ts';

const QUEUE = ['Source', 'Site'];
const REPLY = /^\/((?:[^/\\]|\\.)*)\/(?:\s+(.*))?$/;

/** What a domain says about backoff, or what `<domain *>` says where it says nothing. */
export type BackoffSettings = ReadonlyMap<string, string>;

/** Whether a directive changes what the patterns of a domain do. */
export function steersPatterns({ name }: PowermtaDirective): boolean {
  return (
    name === 'smtp-pattern-list' ||
    name === 'reenable-source-ip-after' ||
    [
      'backoff-max-msg-rate',
      'backoff-max-smtp-out',
      'backoff-to-normal-after',
      'backoff-retry-after',
    ].includes(name)
  );
}

/** The reactions of a pattern list, with the consequences that the domain asks for. */
export function translatePatterns(
  list: PowermtaBlock,
  settings: BackoffSettings,
  omissions: Omissions,
): readonly Draft[] {
  const prefix = (entryNameOf(list.name) || 'patterns').slice(0, 50);
  return list.directives.flatMap(({ name, value, origin }, index) => {
    const say = (reason: string) =>
      omissions.add(origin, `${list.name}: ${name} ${value}`.slice(0, 120), reason);
    const [, expression, action = ''] = REPLY.exec(value) ?? [];
    if (name !== 'reply' || expression === undefined) {
      say('Not a pattern that the translator can read.');
      return [];
    }
    const match = replyMatch(expression.replace(/\\\//g, '/'));
    if (typeof match === 'string') {
      say(`The pattern is left out: ${match}.`);
      return [];
    }
    if (asksForCode(match)) say('The expression still asks for a reply code: write it in match.codes.');
    const actions = action
      .trim()
      .split(/[\s,]+(?!reenable-after)/)
      .flatMap((one) => actionsOf(one, settings, say));
    return actions.length === 0 ? [] : [{ name: `${prefix}-${index + 1}`, match, actions }];
  });
}

function actionsOf(
  action: string,
  settings: BackoffSettings,
  say: (reason: string) => void,
): readonly Draft[] {
  const [head = '', reenable] = action.split(/[\s,]+/);
  if (head === 'mode=backoff') return backoffActions(settings, say);
  if (head === 'bounce-rcpt') return [{ type: 'Bounce' }];
  if (head === 'disable-source-ip') {
    const after = durationOf(
      (reenable ?? '').replace(/^reenable-after=/, '') || settings.get('reenable-source-ip-after'),
    );
    if (after !== undefined) return [{ type: 'Suspend', suspend: { per: [...QUEUE], for: after } }];
    say('A source is not disabled for ever by a reply: give the pattern reenable-after.');
    return [];
  }
  say(`The action ${head === '' ? '(none)' : head} has no counterpart.`);
  return [];
}

/** Backoff mode is two things: other bounds until it ends, and other times of retry. */
function backoffActions(settings: BackoffSettings, say: (reason: string) => void): readonly Draft[] {
  const connections = countBound(settings.get('backoff-max-smtp-out') ?? '');
  const recipientRate = rateBound(settings.get('backoff-max-msg-rate') ?? '');
  const delay = durationOf((settings.get('backoff-retry-after') ?? '').split(/[\s,]+(?=\d)/)[0]);
  const until = durationOf(settings.get('backoff-to-normal-after'));
  const actions: Draft[] = [];
  const bounds = {
    ...(connections === undefined ? {} : { connections }),
    ...(recipientRate === undefined ? {} : { recipientRate }),
  };
  if (Object.keys(bounds).length > 0) {
    if (until === undefined)
      say('The bounds of backoff mode are left out: a changed limit needs an end, backoff-to-normal-after.');
    else actions.push({ type: 'SetLimit', setLimit: { limitName: SOURCE_SITE, ...bounds, for: until } });
  }
  if (delay !== undefined) actions.push({ type: 'RetryAfter', retryAfter: { delay } });
  if (actions.length === 0)
    say(
      'Backoff mode is left out: the domain sets no backoff-max-msg-rate, backoff-max-smtp-out or backoff-retry-after that can be read.',
    );
  return actions;
}
