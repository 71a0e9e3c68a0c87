import { SluiceError } from '@sluice/crds';
import type { Command } from 'commander';
import type { AnsweredPoison } from '../control/mod.ts';
import { retryPoison } from './admin-client.ts';
import { ageText } from './age-text.ts';
import { poisonOf, silentPods } from './asked-pods.ts';
import { DEFAULT_ADMIN } from './directive-flags.ts';
import { addNatsOptions, type NatsFlags, whomToAsk } from './nats-flags.ts';
import { textTable } from './text-table.ts';

const DEFAULT_ADMIN_HELP = `admin addresses of the MTAs (default: ${DEFAULT_ADMIN})`;

/** Adds `sluice queue poison` and `sluice queue retry`. */
export function addPoisonCommands(queue: Command): void {
  const list = queue
    .command('poison')
    .summary('List messages that are held because MTAs ended while sending them')
    .description(
      'Lists messages that were in flight when three processes in a row ended without warning. They are held, because each of them may be what ended ' +
        'the processes. "sluice queue retry" sends them all the same.',
    )
    .option('--admin <address:port...>', DEFAULT_ADMIN_HELP);
  addNatsOptions(list)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice queue poison\n  $ sluice queue poison --config sluice.yaml\n  $ sluice queue poison --nats nats://nats.mail:4222 --json\n',
    )
    .action(async (flags: NatsFlags & { readonly admin?: readonly string[] }, self: Command) => {
      const { json } = self.optsWithGlobals<{ json?: true }>();
      const { answers, silent } = await poisonOf(whomToAsk(flags));
      self
        .configureOutput()
        .writeOut?.(
          json ? `${JSON.stringify(poisonJson(answers, silent))}\n` : poisonText(answers, Date.now()),
        );
      if (silent.length > 0) throw silentPods(silent);
    });

  queue
    .command('retry')
    .summary('Send messages that are held as poison all the same')
    .description(
      'Queues messages again that are held as poison, as if they had never been in flight. The MTA that holds them must be asked ("sluice queue poison" names ' +
        'it). To have them reported to their senders instead, order "sluice bounce" for them first.',
    )
    .argument('[id...]', 'ids of the messages')
    .option('--all', 'all that the MTAs hold')
    .option('--admin <address:port...>', DEFAULT_ADMIN_HELP)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice queue retry 01K9ZV8C0Q4T1R2M3N4P5S6V7W\n  $ sluice queue retry --all --admin 10.0.0.1:9025 10.0.0.2:9025\n  $ kubectl exec sluice-mta-0 -- sluice queue retry --all\n',
    )
    .action(
      async (
        ids: readonly string[],
        flags: { readonly all?: true; readonly admin?: readonly string[] },
        self: Command,
      ) => {
        if (ids.length > 0 === (flags.all === true))
          self.error('error: name messages by their ids, or say --all');
        const { json } = self.optsWithGlobals<{ json?: true }>();
        const addresses = flags.admin ?? [DEFAULT_ADMIN];
        const wanted = flags.all === true ? undefined : ids;
        const queued = (await Promise.all(addresses.map((address) => retryPoison(address, wanted)))).flat();
        const missing = ids.filter((id) => !queued.includes(id));
        const write = self.configureOutput().writeOut;
        if (json) write?.(`${JSON.stringify({ queued, missing })}\n`);
        else
          write?.(
            queued.length === 0 ? 'No message was queued again.\n' : `Queued again: ${queued.join(', ')}\n`,
          );
        if (missing.length > 0)
          throw new SluiceError('SLUICE_NOT_HELD', { ids: missing.join(', '), where: addresses.join(', ') });
      },
    );
}

function poisonJson(answers: readonly AnsweredPoison[], silent: readonly string[]) {
  return {
    messages: answers.flatMap(({ pod: { session, host }, poison: { messages } }) =>
      messages.map(({ acceptedAtMs, heldSinceMs, ...rest }) => ({
        ...rest,
        accepted: new Date(acceptedAtMs).toISOString(),
        heldSince: new Date(heldSinceMs).toISOString(),
        session,
        host,
      })),
    ),
    more: moreIn(answers),
    silent,
  };
}

function moreIn(answers: readonly AnsweredPoison[]): number {
  return answers.reduce((sum, { poison }) => sum + poison.total - poison.messages.length, 0);
}

function poisonText(answers: readonly AnsweredPoison[], nowMs: number): string {
  const lines = answers.flatMap(({ pod: { host }, poison: { messages } }) =>
    messages.map(({ id, sender, recipients, domains, acceptedAtMs, heldSinceMs }) => [
      id,
      sender === '' ? '<>' : sender,
      String(recipients),
      domains.join(' '),
      ageText(nowMs - acceptedAtMs),
      ageText(nowMs - heldSinceMs),
      host,
    ]),
  );
  if (lines.length === 0) return 'No message is held as poison.\n';
  const more = moreIn(answers);
  const head = ['ID', 'SENDER', 'RECIPIENTS', 'DOMAINS', 'AGE', 'HELD FOR', 'MTA'];
  return textTable([head, ...lines]) + (more === 0 ? '' : `and ${more} more\n`);
}
