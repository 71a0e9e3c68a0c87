import type { CommandEntry } from './command-line.ts';

/**
 * Every sub-command of `sluice`, in the order of the help. One line each; the modules are loaded on demand:
 *
 * `{ name: 'run', summary: 'Run the mail transfer agent', load: async () => (await import('./run.ts')).run }`
 */
export const COMMANDS: readonly CommandEntry[] = [
  { name: 'run', summary: 'Run the mail transfer agent', load: async () => (await import('./run.ts')).run },
  {
    name: 'validate',
    summary: 'Check settings and resource files',
    load: async () => (await import('./validate.ts')).validate,
  },
  {
    name: 'explain',
    summary: 'Say which pool, sources, options and limits a mail gets, and why',
    load: async () => (await import('./explain.ts')).explain,
  },
  {
    name: 'diff',
    summary: 'Say what a change of resources comes to',
    load: async () => (await import('./diff.ts')).diff,
  },
  {
    name: 'dkim',
    summary: 'Make DKIM keys, and see what would be signed',
    load: async () => (await import('./dkim.ts')).dkim,
  },
  {
    name: 'import',
    summary: "Translate another mail system's settings",
    load: async () => (await import('./import.ts')).importSettings,
  },
  {
    name: 'queue',
    summary: 'Look at queued mail',
    load: async () => (await import('./queue.ts')).queue,
  },
  {
    name: 'pods',
    summary: 'List the running MTAs',
    load: async () => (await import('./pods.ts')).pods,
  },
  {
    name: 'top',
    summary: 'Watch what the running MTAs do',
    load: async () => (await import('./top.ts')).top,
  },
  {
    name: 'events',
    summary: 'Follow the events of all MTAs',
    load: async () => (await import('./events.ts')).events,
  },
  {
    name: 'proxy',
    summary: 'Run the SOCKS5 proxy of an egress node',
    load: async () => (await import('./proxy.ts')).proxy,
  },
  {
    name: 'suspend',
    summary: 'Send nothing for a while',
    load: async () => (await import('./directives.ts')).suspend,
  },
  {
    name: 'resume',
    summary: 'End suspensions, those by reactions too',
    load: async () => (await import('./directives.ts')).resume,
  },
  {
    name: 'hold',
    summary: 'Keep mail where it is',
    load: async () => (await import('./directives.ts')).hold,
  },
  {
    name: 'release',
    summary: 'Let held mail go, and end bounces and reroutes',
    load: async () => (await import('./directives.ts')).release,
  },
  {
    name: 'bounce',
    summary: 'Return mail as undeliverable',
    load: async () => (await import('./directives.ts')).bounce,
  },
  {
    name: 'override',
    summary: "Set a limit's bounds for a while",
    load: async () => (await import('./directives.ts')).override,
  },
  {
    name: 'directives',
    summary: 'List what is suspended, held, bounced or overridden',
    load: async () => (await import('./directives.ts')).directives,
  },
  {
    name: 'sink',
    summary: 'Run a host that takes mail as a provider does',
    load: async () => (await import('./sink.ts')).sink,
  },
  {
    name: 'blast',
    summary: 'Send test mail, and measure how it is accepted',
    load: async () => (await import('./blast.ts')).blast,
  },
];
