import type { Envelope } from '../spool/mod.ts';

/** Who is told what, where the sender himself did not say it. */
export interface ReportRules {
  /** `Enabled`: failures are reported unless the sender said otherwise. `OnRequest`: only where NOTIFY asks. `Disabled`: nothing ever. */
  readonly reports: 'Enabled' | 'OnRequest' | 'Disabled';
  /** `Always`: delays are reported unless the sender said otherwise. */
  readonly delayed: 'OnRequest' | 'Always';
  /** In place of `reports`, by tenant. */
  readonly tenants: ReadonlyMap<string, 'Enabled' | 'OnRequest'>;
}

/** NOTIFY's word for what has happened (RFC 3461 §4.1). */
const KEYWORDS = { failed: 'FAILURE', delayed: 'DELAY', relayed: 'SUCCESS' } as const;

/** Whether the sender is to be told what happened to one of the recipients. `<>` is never told anything. */
export function isReported(
  rules: ReportRules,
  envelope: Envelope,
  recipient: number,
  action: keyof typeof KEYWORDS,
): boolean {
  if (envelope.sender === '' || rules.reports === 'Disabled') return false;
  const notify = envelope.statusRequest?.recipients[recipient]?.notify ?? '';
  if (notify !== '') return notify.includes(KEYWORDS[action]);
  if ((rules.tenants.get(envelope.tenant) ?? rules.reports) !== 'Enabled') return false;
  // RFC 3461 §4.1: nothing said = failures, and delays if the MTA likes.
  return action === 'failed' || (action === 'delayed' && rules.delayed === 'Always');
}

/** Whether the sender may have to be told of a delay of some recipient. */
export function mayReportDelay(rules: ReportRules, envelope: Envelope): boolean {
  if (rules.delayed === 'OnRequest' && envelope.statusRequest === undefined) return false;
  return envelope.recipients.some((_, recipient) => isReported(rules, envelope, recipient, 'delayed'));
}
