import { parseRate, type Rate } from '@sluice/crds';
import { type Command, InvalidArgumentError } from 'commander';
import type { Directive, DirectiveEffect, DirectiveType } from '../react/mod.ts';
import { fetchDirectives, type OrderedDirective, orderDirective, removeDirectives } from './admin-client.ts';
import { silentPods } from './asked-pods.ts';
import {
  addSelector,
  DEFAULT_ADMIN,
  directivesText,
  duration,
  type SelectorFlags,
  selectorOfFlags,
} from './directive-flags.ts';

interface OrderFlags extends SelectorFlags {
  readonly for?: number;
  readonly reason: string;
  readonly dryRun?: true;
  readonly admin: string;
}

/** Adds `sluice suspend`. */
export const suspend = (program: Command): void =>
  addOrder(program, {
    name: 'suspend',
    summary: 'Send nothing for a while',
    description:
      'No new transaction begins for the mail that is chosen; those that run end. Other sources of the pool carry what they can, and its time runs on.',
    examples: [
      'sluice suspend --source 192.0.2.10 --group google --for 2h --reason "complaints"',
      'sluice suspend --tenant shop --dry-run',
    ],
    effect: { type: 'Suspend' },
  });

/** Adds `sluice hold`. */
export const hold = (program: Command): void =>
  addOrder(program, {
    name: 'hold',
    summary: 'Keep mail where it is',
    description: 'The mail that is chosen stays queued and does not expire until it is released.',
    examples: [
      'sluice hold --tenant shop --campaign black-friday --reason "wrong link"',
      'sluice hold --domain example.com --for 1h',
    ],
    effect: { type: 'Hold' },
    early: true,
  });

/** Adds `sluice bounce`. */
export const bounce = (program: Command): void =>
  addOrder(program, {
    name: 'bounce',
    summary: 'Return mail as undeliverable',
    description:
      'The queued mail that is chosen is returned with 550 5.7.1, and what comes while the directive is in force is too. It cannot be taken back.',
    examples: [
      'sluice bounce --campaign black-friday --for 10m --reason "wrong link"',
      'sluice bounce --domain gone.example --dry-run',
    ],
    effect: { type: 'Bounce' },
    early: true,
  });

/** Adds `sluice resume`. */
export const resume = (program: Command): void =>
  addRemoval(program, {
    name: 'resume',
    summary: 'End suspensions, those by reactions too',
    examples: [
      'sluice resume --group google',
      'sluice resume --source 192.0.2.10 --dry-run',
      'sluice resume --all',
    ],
    types: ['Suspend'],
  });

/** Adds `sluice release`. */
export const release = (program: Command): void =>
  addRemoval(program, {
    name: 'release',
    summary: 'Let held mail go, and end bounces and reroutes',
    examples: ['sluice release --tenant shop', 'sluice release --all'],
    types: ['Hold', 'Bounce', 'Reroute'],
  });

interface OverrideFlags extends OrderFlags {
  readonly connections?: number | 'Unlimited';
  readonly connectionRate?: Rate | 'Unlimited';
  readonly recipientRate?: Rate | 'Unlimited';
  readonly messageRate?: Rate | 'Unlimited';
  readonly byteRate?: Rate | 'Unlimited';
  readonly burst?: number | 'Unlimited';
  readonly end?: true;
}

/** Adds `sluice override`. */
export function override(program: Command): void {
  const command = program
    .command('override')
    .summary("Set a limit's bounds for a while")
    .description(
      'Other bounds for a limit of the policies, for the mail that is chosen. `Unlimited` takes a bound away. With --end the overrides and cuts of the limit are taken back.',
    )
    .argument('<limit>', 'name of the limit')
    .option('--connections <n>', 'connections', wholeNumber)
    .option('--connection-rate <rate>', 'connections per time, such as 10/min', rate)
    .option('--recipient-rate <rate>', 'recipients per time', rate)
    .option('--message-rate <rate>', 'messages per time', rate)
    .option('--byte-rate <rate>', 'bytes per time', rate)
    .option('--burst <n>', 'units at once after a pause', wholeNumber)
    .option('--end', 'take back what was set, by reactions too');
  addOrderOptions(addSelector(command))
    .addHelpText(
      'after',
      examplesText([
        'sluice override source-site --connections 2 --group google --for 2h',
        'sluice override tenant --recipient-rate 10/s --tenant shop --reason "warming up"',
        'sluice override source-site --end --group google',
      ]),
    )
    .action(async (limitName: string, flags: OverrideFlags, own: Command) => {
      const selector = selectorOfFlags(flags);
      if (flags.end) {
        await remove(own, flags.admin, {
          types: ['SetLimit', 'Scale'],
          selector: { ...selector },
          limitName,
          dryRun: flags.dryRun === true,
        });
        return;
      }
      const { connections, connectionRate, recipientRate, messageRate, byteRate, burst } = flags;
      const bounds = {
        ...(connections === undefined ? {} : { connections }),
        ...(connectionRate === undefined ? {} : { connectionRate }),
        ...(recipientRate === undefined ? {} : { recipientRate }),
        ...(messageRate === undefined ? {} : { messageRate }),
        ...(byteRate === undefined ? {} : { byteRate }),
        ...(burst === undefined ? {} : { burst }),
      };
      if (Object.keys(bounds).length === 0) own.error('give at least one bound, such as --connections 2');
      await order(own, flags, { type: 'SetLimit', limitName, bounds });
    });
}

/** Adds `sluice directives`. */
export function directives(program: Command): void {
  program
    .command('directives')
    .summary('List what is suspended, held, bounced or overridden')
    .description('The directives in force, by hand and by reactions, with their reasons and when they end.')
    .option('--admin <address:port>', 'admin address of the MTA', DEFAULT_ADMIN)
    .addHelpText('after', examplesText(['sluice directives', 'sluice directives --json']))
    .action(async ({ admin }: { admin: string }, command: Command) => {
      const { directives: list, trouble } = await fetchDirectives(admin);
      show(command, list, trouble);
    });
}

function addOrder(
  program: Command,
  of: {
    readonly name: string;
    readonly summary: string;
    readonly description: string;
    readonly examples: readonly string[];
    readonly effect: DirectiveEffect;
    readonly early?: boolean;
  },
): void {
  const command = program.command(of.name).summary(of.summary).description(of.description);
  addOrderOptions(addSelector(command, of.early))
    .addHelpText('after', examplesText(of.examples))
    .action((flags: OrderFlags, own: Command) => order(own, flags, of.effect));
}

function addOrderOptions(command: Command): Command {
  return command
    .option('--for <duration>', 'how long it holds (default: until it is taken back)', duration)
    .option('--reason <text>', 'why, for those who read it later', '')
    .option('--dry-run', 'only count the queued mail that it would touch')
    .option('--admin <address:port>', 'admin address of the MTA', DEFAULT_ADMIN);
}

function addRemoval(
  program: Command,
  of: {
    readonly name: string;
    readonly summary: string;
    readonly examples: readonly string[];
    readonly types: readonly DirectiveType[];
  },
): void {
  const command = program
    .command(of.name)
    .summary(of.summary)
    .description(`${of.summary}: every one whose choice of mail has all of the values that are given.`);
  addSelector(command)
    .option('--all', 'all of them')
    .option('--dry-run', 'only list them')
    .option('--admin <address:port>', 'admin address of the MTA', DEFAULT_ADMIN)
    .addHelpText('after', examplesText(of.examples))
    .action(async (flags: SelectorFlags & { all?: true; dryRun?: true; admin: string }, own: Command) => {
      const selector = selectorOfFlags(flags);
      const some = Object.keys(selector).length > 0;
      if (some === (flags.all === true)) own.error('say which mail, for example --group google, or --all');
      await remove(own, flags.admin, {
        types: of.types,
        selector: { ...selector },
        dryRun: flags.dryRun === true,
      });
    });
}

async function order(command: Command, flags: OrderFlags, effect: DirectiveEffect): Promise<void> {
  const selector = selectorOfFlags(flags);
  if (Object.keys(selector).length === 0) command.error('say which mail, for example --group google');
  const result = await orderDirective(flags.admin, {
    effect,
    selector,
    reason: flags.reason,
    forMs: flags.for ?? 0,
    dryRun: flags.dryRun === true,
  });
  const { json } = command.optsWithGlobals<{ json?: true }>();
  const { silent } = result.chosen;
  const verb = result.dryRun ? 'would touch' : 'touches';
  command
    .configureOutput()
    .writeOut?.(
      json
        ? `${JSON.stringify(result)}\n`
        : `${directivesText([result.directive], Date.now())}It ${verb} ${mailText(result.chosen)}${result.dryRun ? '; nothing was changed' : ''}.\n`,
    );
  // What is in force is in force, whoever was not counted.
  if (result.dryRun && silent.length > 0) throw silentPods(silent);
}

async function remove(
  command: Command,
  admin: string,
  removal: Parameters<typeof removeDirectives>[1],
): Promise<void> {
  const result = await removeDirectives(admin, removal);
  const { directives: gone, chosen } = result;
  const { json } = command.optsWithGlobals<{ json?: true }>();
  const write = command.configureOutput().writeOut;
  if (json) write?.(`${JSON.stringify({ directives: gone, ...(chosen !== undefined && { chosen }) })}\n`);
  else if (gone.length === 0) show(command, gone);
  else {
    const words = removal.dryRun ? 'would end' : 'ended';
    const touched = chosen === undefined ? '' : ` They touch ${mailText(chosen)}; nothing was changed.`;
    write?.(`${directivesText(gone, Date.now())}${gone.length} ${words}.${touched}\n`);
  }
  if (chosen !== undefined && chosen.silent.length > 0) throw silentPods(chosen.silent);
}

/** `1204 queued recipient groups, 1310 recipients on 3 pods`. */
function mailText({ groups, recipients, pods, silent }: OrderedDirective['chosen']): string {
  const where = pods > 1 ? ` on ${pods} pods` : '';
  const without = silent.length === 0 ? '' : `, without those of ${silent.join(', ')}`;
  return `${groups} queued recipient groups, ${recipients} recipients${where}${without}`;
}

function show(command: Command, list: readonly Directive[], trouble?: string): void {
  const { json } = command.optsWithGlobals<{ json?: true }>();
  const write = command.configureOutput().writeOut;
  if (json) {
    write?.(`${JSON.stringify({ directives: list, ...(trouble !== undefined && { trouble }) })}\n`);
    return;
  }
  write?.(directivesText(list, Date.now()));
  if (trouble !== undefined) write?.(`What other pods ordered meanwhile is not known: ${trouble}.\n`);
}

function examplesText(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join('')}`;
}

function rate(text: string): Rate | 'Unlimited' {
  if (text === 'Unlimited') return text;
  const parsed = parseRate(text);
  if (parsed === undefined)
    throw new InvalidArgumentError('it is a rate such as 10/s or 100/min, or Unlimited.');
  return parsed;
}

function wholeNumber(text: string): number | 'Unlimited' {
  if (text === 'Unlimited') return text;
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('it is a whole number above 0, or Unlimited.');
}
