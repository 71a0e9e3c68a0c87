import { parseDuration } from '@sluice/crds';
import { type Command, InvalidArgumentError } from 'commander';
import {
  EVENT_TYPES,
  EventStreamLayout,
  type EventType,
  readEventStream,
  type SeenEvent,
} from '../report/mod.ts';
import { openNats } from '../spool/mod.ts';
import { addNatsOptions, type NatsFlags, natsPlace } from './nats-flags.ts';

interface Flags extends NatsFlags {
  readonly type: readonly EventType[];
  readonly tenant?: string;
  readonly since?: number;
  readonly follow: boolean;
}

/** Adds `sluice events`: what happens, as it happens. */
export function events(program: Command): void {
  const command = program
    .command('events')
    .summary('Follow the events of all MTAs')
    .description(
      'Shows the events of all MTAs whose spec.events.jetstream leads to this NATS, from now on or since a time, until it is interrupted.',
    )
    .option('--type <type...>', 'only events of these types', collectTypes, [])
    .option('--tenant <name>', 'only those of this tenant')
    .option(
      '--since <when>',
      'not only from now on: since so long ago (15m), or since a time (RFC 3339)',
      when,
    )
    .option('--no-follow', 'end with what is there now');
  addNatsOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice events --config sluice.yaml --type bounced expired --since 1h\n' +
        '  $ sluice events --nats nats://nats.mail:4222 --tenant shop --json\n' +
        '  $ sluice events --config sluice.yaml --since 2026-12-01T10:00:00Z --no-follow --json\n',
    )
    .action(async (flags: Flags, self: Command) => {
      const { json } = self.optsWithGlobals<{ json?: true }>();
      const { options, prefix } = natsPlace(flags, 'events');
      const connection = await openNats(options);
      const interrupted = new AbortController();
      const interrupt = (): void => interrupted.abort();
      process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
      try {
        const found = readEventStream(connection, new EventStreamLayout(prefix), {
          types: flags.type,
          ...(flags.since !== undefined && { sinceMs: flags.since }),
          follow: flags.follow,
          signal: interrupted.signal,
        });
        for await (const { event, line } of found) {
          if (flags.tenant !== undefined && event.tenant !== flags.tenant) continue;
          self.configureOutput().writeOut?.(json ? `${line}\n` : eventText(event));
        }
      } finally {
        process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
        await connection.close();
      }
    });
}

/**
 * An event on one line, for people.
 *
 * Example: `10:00:00.123 bounced    01J… <news@shop.example> → jo@gmail.example  mx.gmail.example said 550 5.1.1 no such user`
 */
export function eventText(event: SeenEvent): string {
  const [first = '', ...others] = event.recipients;
  const recipients = others.length === 0 ? first : `${first} and ${others.length} more`;
  const { reply } = event;
  const said =
    reply === undefined
      ? event.reason
      : `${event.mxHost === '' ? '' : `${event.mxHost} said `}${reply.code} ${reply.enhanced} ${reply.text}`;
  const tail = said === '' ? '' : `  ${said.replace(/\s+/g, ' ')}`;
  return `${event.time.slice(11, 23)} ${event.type.padEnd(10)} ${event.id} <${event.sender}> → ${recipients}${tail}\n`;
}

function collectTypes(text: string, before: readonly EventType[]): readonly EventType[] {
  const found = [...before];
  for (const name of text.split(',')) {
    const type = typesByName.get(name);
    if (type === undefined)
      throw new InvalidArgumentError(`it is one of ${[...typesByName.keys()].join(', ')}.`);
    found.push(type);
  }
  return found;
}

const typesByName = new Map<string, EventType>();
for (const type in EVENT_TYPES) if (isType(type)) typesByName.set(type, type);

function isType(name: string): name is EventType {
  return Object.hasOwn(EVENT_TYPES, name);
}

function when(text: string): number {
  const agoMs = parseDuration(text);
  if (agoMs !== undefined) return Date.now() - agoMs;
  const atMs = Date.parse(text);
  if (!Number.isNaN(atMs)) return atMs;
  throw new InvalidArgumentError('it is a duration such as 15m, or a time such as 2026-12-01T10:00:00Z.');
}
